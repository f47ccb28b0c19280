"""From the body of a capture to signed transactions (EPCIS.md "Capture"). All of it is work for the processor, done in a thread.

Each event is parsed once and its extract derived once: what was checked is what is signed. An event without an eventID gets
none; its name is derived from its event hash, which stands on the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError
from ledger.base.keys import Signer
from ledger.chain.signing import Payload, Signed, prepare_event, sign_events
from ledger.chain.transaction import NONCE_BYTES, Mode, header_from_wire, sign_transaction
from ledger.epcis.check import examine, frame_findings
from ledger.epcis.document import Form, read_document
from ledger.epcis.findings import Finding, Grade
from ledger.epcis.original import name_of, with_original
from ledger.trade.statement import Action, Extract, Openness
from node.index.reading import DERIVED_ID
from node.local.protocol import OpenBytes, Submission

ROLLBACK_EVENTS: Final = limits.ITEMS_PER_TRANSACTION
"""Of one all-or-nothing transaction."""
PROCEED_EVENTS: Final = 10_000
LIFETIME_MS: Final = 30 * 60_000
"""How long a signature is of use: half of what the ledger takes, so that clocks may differ."""


class Behaviour(StrEnum):
    """GS1-Capture-Error-Behaviour."""

    ROLLBACK = "rollback"
    PROCEED = "proceed"


class Candidate(NamedTuple):
    """An event of a body that may be captured."""

    place: str
    """JSON pointer in the body."""
    event: bytes
    extract: Extract
    event_id: str | None
    """Its author's; None for an event without."""

    @property
    def is_correction(self) -> bool:
        """Whether it declares another event to be in error, under whose eventID it then stands."""
        return self.extract.statement.action == Action.CORRECT


class Fault(NamedTuple):
    """What is said of an event of a body, or of all of it: why it is not captured, or in what it deviates."""

    place: str
    """JSON pointer in the body."""
    event_id: str | None
    code: Code
    detail: str


class Body(NamedTuple):
    """What a body came to."""

    context: bytes | None
    candidates: tuple[Candidate, ...]
    faults: tuple[Fault, ...]
    original: str | None
    """The name of the XML document it was; None for JSON."""
    notices: tuple[Fault, ...] = ()
    """What deviates from the standard and can be read in one way only; no reason to refuse. The first `FINDINGS`."""


class Named(NamedTuple):
    """An event of a part, as the job knows it."""

    place: str
    event_id: str
    is_derived: bool
    is_correction: bool


class Part(NamedTuple):
    """One signed transaction of a job."""

    transaction: bytes
    """Its id."""
    expiry_ms: int
    submission: bytes
    """What the validator is handed, encoded."""
    events: tuple[Named, ...]


def read_body(data: bytes, form: Form, most: int, openness: Openness) -> Body:
    """The events of a body, each checked. FormError: those of `read_document`; too_large for more than `most` events."""
    document = read_document(data, form)
    if len(document.events) > most:
        raise FormError(
            Code.TOO_LARGE,
            f"expected at most {most} events in one capture of this error behaviour, got {len(document.events)}; send several",
        )
    original = None
    if form is Form.XML:
        original = name_of(data)
        document = document._replace(context=with_original(document.context, data))
    around = frame_findings(document)
    notices = [_fault(finding, None) for finding in around if finding.grade is Grade.NOTED]
    if len(notices) < len(around):
        faults = [_fault(finding, None) for finding in around if finding.grade is Grade.REFUSED]
        return Body(document.context, (), tuple(faults), original)
    candidates: list[Candidate] = []
    faults = []
    for examined in examine(document, openness):
        name = examined.members.get("eventID")
        event_id = name if type(name) is str else None
        if examined.extract is None:
            faults += [_fault(finding, event_id) for finding in examined.refusals]
            continue
        candidates.append(Candidate(examined.place, examined.event, examined.extract, event_id))
        if examined.findings and len(notices) < limits.FINDINGS:
            notices += [_fault(finding, event_id) for finding in examined.notices]
    return Body(
        document.context, tuple(candidates), tuple(faults), original, tuple(notices[: limits.FINDINGS])
    )


def _fault(finding: Finding, event_id: str | None) -> Fault:
    return Fault(finding.place, event_id, finding.code, f"expected {finding.expected}, got {finding.came}")


def sign_body(
    network: bytes,
    key: Signer,
    organisation: str,
    context: bytes | None,
    candidates: Sequence[Candidate],
    *,
    behaviour: Behaviour,
    now_ms: int,
    readers: tuple[str, ...] | None,
) -> tuple[Part, ...]:
    """The candidates as signed transactions, in order.

    `readers`: of restricted events, who may read their bytes; None for open ones. FormError: too_large where a rollback
    does not fit into one transaction.
    """
    mode = Mode.ALL_OR_NOTHING if behaviour is Behaviour.ROLLBACK else Mode.EACH_ON_ITS_OWN
    prepared = [prepare_event(network, one.event, context, one.extract, os.urandom) for one in candidates]
    signed = sign_events(
        key, organisation, prepared, expiry_ms=now_ms + LIFETIME_MS, mode=mode, random_bytes=os.urandom
    )
    names = iter(
        Named(
            one.place,
            one.event_id or DERIVED_ID + ready.item.event_hash.hex(),
            one.event_id is None,
            one.is_correction,
        )
        for one, ready in zip(candidates, prepared, strict=True)
    )
    return tuple(
        Part(
            one.transaction.id,
            one.transaction.header.expiry_ms,
            encode(_submission(one, readers)),
            tuple(next(names) for _ in one.payloads),
        )
        for one in signed
    )


class Renewed(NamedTuple):
    """The same events under a new signature."""

    transaction: bytes
    expiry_ms: int
    submission: bytes


def event_names(submission: bytes) -> list[str]:
    """`urn:custody:event:` names of the events of a kept submission: they stay the same whoever signs it when."""
    return [DERIVED_ID + digest.hex() for digest in event_hashes(submission)]


def event_hashes(submission: bytes) -> list[bytes]:
    """The hashes of the events of a kept submission, in order."""
    items = decode(kept_submission(submission).transaction, max_bytes=limits.TRANSACTION_BYTES)[1]
    return [item[3] for item in items]


def renew(submission: bytes, key: Signer, now_ms: int) -> Renewed:
    """A kept submission whose transaction can never be executed any more, signed anew."""
    kept = kept_submission(submission)
    fields, items, _ = decode(kept.transaction, max_bytes=limits.TRANSACTION_BYTES)
    header = header_from_wire(fields)
    signed = sign_transaction(
        key,
        header.network,
        header.organisation,
        items,
        nonce=os.urandom(NONCE_BYTES),
        expiry_ms=now_ms + LIFETIME_MS,
        mode=Mode(header.mode),
    )
    return Renewed(signed.id, signed.header.expiry_ms, encode(kept._replace(transaction=signed.to_bytes())))


def _submission(signed: Signed, readers: tuple[str, ...] | None) -> Submission:
    contexts: dict[bytes, int] = {}
    shown = tuple(_open_bytes(payload, contexts, readers) for payload in signed.payloads)
    return Submission(signed.transaction.to_bytes(), tuple(contexts), shown)


def _open_bytes(payload: Payload, contexts: dict[bytes, int], readers: tuple[str, ...] | None) -> OpenBytes:
    salt, context, event = payload
    place = None if context is None else contexts.setdefault(context, len(contexts))
    return OpenBytes(salt, place, event, readers)


def kept_submission(data: bytes) -> Submission:
    """A submission as this program kept it."""
    transaction, contexts, payloads = decode(data, max_bytes=limits.FRAME_BYTES)
    return Submission(transaction, contexts, tuple(OpenBytes(*payload) for payload in payloads))
