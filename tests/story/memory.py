"""A stage without network or consensus: the story's rules and proofs, in a second."""

from __future__ import annotations

from collections.abc import Sequence

from client.attest import attest
from client.events.draft import Draft
from client.prepare import prepare
from client.signing import sign
from demonstration import cast
from demonstration.stage import Played
from demonstration.story import shipment
from ledger.chain.transaction import Transaction
from ledger.proof.build import build, known_keys
from ledger.proof.history import Payload
from ledger.trade.identifiers import Identifier
from ledger.trade.statement import Openness
from tests.world.past import Past
from tests.world.world import World


class MemoryStage:
    """The demonstration's network as a `World`."""

    def __init__(self, parties: dict[str, str] | None = None) -> None:
        """`parties`: those named in somebody's own documents; the organisations are then simulated."""
        goods = shipment()
        self.world = World(
            cast.ORGANISATIONS,
            authorities=[cast.CUSTOMS],
            grants={cast.PREFIX: cast.MANUFACTURER},
            issuers={goods.declaration.issuer: cast.CUSTOMS},
            delegates={cast.DRIVER: (cast.CARRIER, goods.declaration.text, 2**52)},
            simulated=cast.ORGANISATIONS if parties is not None else (),
            persons=parties is not None,
            parties=parties
            if parties is not None
            else {cast.party(organisation).text: organisation for organisation in cast.ORGANISATIONS},
        )
        self.genesis = self.world.genesis
        self.payloads: dict[bytes, Payload] = {}
        self._counter = 0

    def now_ms(self) -> int:
        return self.world.now_ms

    def submit(
        self,
        organisation: str,
        drafts: Sequence[Draft],
        *,
        delegate: str | None = None,
        device_since_ms: int | None = None,
        restricted: bool = False,
    ) -> list[Played]:
        prepared = [
            prepare(
                self.world.network,
                draft.with_openness(Openness.RESTRICTED) if restricted else draft,
                random_bytes=self.world.salt,
            )
            for draft in drafts
        ]
        for one in prepared:
            self.payloads[one.item.event_hash] = Payload(*one.payload)
        if device_since_ms is not None:
            self._counter += 1
            prepared = [
                attest(
                    self.world.devices[organisation],
                    one,
                    organisation,
                    counter=self._counter + place,
                    time_ms=device_since_ms,
                )
                for place, one in enumerate(prepared)
            ]
        key = self.world.keys[organisation] if delegate is None else self.world.delegates[delegate]
        submission = sign(key, organisation, prepared, now_ms=self.now_ms(), random_bytes=self.world.salt)
        transactions: list[Transaction] = [signed.transaction for signed in submission.signed]
        execution = self.world.commit(*transactions)
        return [
            Played(receipt.refusal, receipt.outcomes, one.item.event_hash)
            for receipt, one in zip(execution.receipts, prepared, strict=True)
        ]

    def payload(self, event_hash: bytes) -> Payload:
        return self.payloads[event_hash]

    def bundle(self, subjects: Sequence[Identifier], *, payloads: bool = False) -> bytes:
        keys = [key for subject in subjects for key in known_keys(self.world.record, subject.text)]
        return build(Past(self.world, self.payloads), keys, payloads=payloads)
