"""Bundles for what the EPCIS interface answers with (EPCIS.md "Query"; PROOF.md).

The bundle over an EPC holds its whole chain, so whoever has it need not trust an answer to be complete: the events of the answer and
the entries of the chain are the same events, or the answer is wrong. The bundle of an event is that
over its subjects, of very many over the first ones: each of them proves the event.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.trade.record import SubjectKey
from ledger.trade.rules.table import key_of
from ledger.trade.statement import Role
from node.gateway.routes.subjects import SUBJECTS_PER_BUNDLE, known_records, proven
from node.gateway.service import Gateway
from node.index.index import IndexedEvent


async def bundle_of_epc(gateway: Gateway, keys: tuple[SubjectKey, ...]) -> bytes:
    """The bundle over every record kept under an identifier. UnavailableError unknown_subject, history_incomplete."""
    return await gateway.prove(lambda: proven(gateway, [keys], payloads=True))


async def bundle_of_events(gateway: Gateway, events: Sequence[IndexedEvent]) -> bytes:
    """The bundle over the subjects of all events of one name, with the bytes of those that are open; each has its share of
    room in it, and is proven by any of its subjects.
    """
    named = events[:SUBJECTS_PER_BUNDLE]
    share = SUBJECTS_PER_BUNDLE // len(named)
    subjects = [subject for event in named for subject in event.item.subjects[:share]]
    keys = tuple(dict.fromkeys(key_of(Role(subject.role), subject.identifier) for subject in subjects))

    async def prove() -> bytes:
        recorded = tuple(key for key, _ in await known_records(gateway, keys))
        return await gateway.validator.prove(recorded or keys[:1], payloads=True)

    return await gateway.prove(prove)
