"""A chain as a gateway tells it, for `custody audit --gateway` (API.md §7, PROTOCOL.md §10).

Nothing a gateway says is believed: what it answers is taken apart here and judged by `ledger.state.audit`. Events' bytes are
not fetched; a chain is audited without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.base import limits
from ledger.base.encoding import decode, take_array, take_ascii, take_bytes, take_int, take_optional_bytes
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.batch import parse_batch_head, put_together
from ledger.chain.block import parse_header, parse_outcome
from ledger.chain.certificate import parse_certificate
from ledger.chain.genesis import genesis_from_bytes
from ledger.state.audit_source import Base, SuppliedBlock
from ledger.state.block import Receipt

if TYPE_CHECKING:
    from client.gateway import Gateway

CHECKPOINT_BYTES: Final = 65_536
_STATUS_FIELDS: Final = 7
_OUTCOME_MAX: Final = 65_535


class GatewaySource:
    """The final blocks of one gateway: a `ledger.state.audit.Source`."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        """Ask for genesis and how far the chain is. Raises what the gateway answers, FormError for what is neither."""
        self.name = name
        self.events = None
        self._gateway = gateway
        self.genesis = genesis_from_bytes(gateway.genesis())
        self.last = _newest(gateway)

    def base(self) -> Base | None:
        """A gateway's chain is audited from genesis."""
        return None

    def block(self, height: int) -> SuppliedBlock:
        """A block as the gateway tells it."""
        return block_from_bytes(self._gateway.whole_block(height))

    def close(self) -> None:
        """The gateway is closed by whoever opened it."""


def _newest(gateway: Gateway) -> int:
    """The height of the newest checkpoint, 0 while there is none."""
    try:
        newest = gateway.checkpoint()
    except UnavailableError as error:
        if error.code != Code.UNKNOWN_BLOCK:
            raise
        return 0
    return parse_header(take_array(decode(newest, max_bytes=CHECKPOINT_BYTES), "checkpoint", 3)[0]).height


def block_from_bytes(data: bytes) -> SuppliedBlock:
    """A block in the ledger's encoding, taken apart; FormError."""
    fields = take_array(decode(data, max_bytes=limits.BUNDLE_BYTES), "block", 6)
    header, outcome, certificate, encoded, statuses, heads = fields
    transactions = [
        take_bytes(one, "transaction")
        for one in take_array(encoded, "transactions", most=limits.TRANSACTIONS_PER_BLOCK)
    ]
    batches = [parse_batch_head(head) for head in take_array(heads, "batches", most=limits.BATCHES_PER_BLOCK)]
    receipts: list[Receipt] = []
    for status in take_array(statuses, "receipts", len(transactions)):
        receipts += _receipts(status)
    return SuppliedBlock(
        parse_header(header),
        parse_outcome(outcome),
        None if certificate is None else parse_certificate(certificate),
        put_together(batches, transactions),
        tuple(receipts),
    )


def _receipts(status: Any) -> list[Receipt]:
    """The receipts of one transaction."""
    fields = take_array(status, "transaction status", _STATUS_FIELDS)
    identifier = take_bytes(fields[0], "transaction id", HASH_BYTES)
    found = []
    for value in take_array(fields[-1], "receipts", most=limits.ITEMS_PER_TRANSACTION):
        place, refusal, entry, outcomes = take_array(value, "receipt", 4)
        codes = take_array(outcomes, "outcomes", most=limits.SUBJECTS_PER_BLOCK)
        if type(refusal) is not str or len(refusal) > 64:
            raise FormError(Code.MALFORMED, "refusal: expected a code")
        found.append(
            Receipt(
                identifier,
                take_int(place, "place", 0, limits.ITEMS_PER_TRANSACTION),
                refusal and take_ascii(refusal, "refusal", 64),
                take_optional_bytes(entry, "entry", HASH_BYTES),
                tuple(take_int(code, "outcome", 0, _OUTCOME_MAX) for code in codes),
            )
        )
    return found
