"""Real files for the client's tests: events built by the client, put on an in-memory ledger, and proven in bundles."""

from __future__ import annotations

from pathlib import Path

from client.events import Circumstances, Draft, accept, bind, hold, make, offer, pack
from client.prepare import prepare
from client.signing import sign
from client.spelling import Thing, subject
from ledger.chain.signing import Payload
from ledger.proof import history
from ledger.proof.build import build
from ledger.trade.identifiers import canonical
from ledger.trade.record import Space, SubjectKey
from tests.world.past import Past
from tests.world.world import World, place, serial, sscc

CONTAINER = "urn:epc:id:bic:CSQU3054383"
ITEM = serial("9521234", 1, 1)
PALLET = sscc("9521234", 1)
DECLARATION = "urn:custody:doc:ucr:4NL123456789-A7"


class Ledger:
    """A world whose events come from the client: built, prepared, signed, read back."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.payloads: dict[bytes, Payload] = {}

    def at(self, number: int = 1, **fields: object) -> Circumstances:
        return Circumstances(self.world.now_ms, 60, canonical(place(number)))._replace(**fields)  # type: ignore[arg-type]

    def record(self, organisation: str, draft: Draft, *, advance_ms: int = 3_600_000) -> tuple[int, ...]:
        """Put an event on the ledger; the outcome codes of its legs."""
        world = self.world
        prepared = prepare(world.network, draft, random_bytes=world.salt)
        submission = sign(
            world.keys[organisation],
            organisation,
            [prepared],
            now_ms=world.now_ms + advance_ms,
            random_bytes=world.salt,
        )
        self.payloads[prepared.item.event_hash] = prepared.payload
        execution = world.commit(submission.signed[0].transaction, advance_ms=advance_ms)
        assert not execution.receipts[0].refusal, execution.receipts[0].refusal
        return execution.receipts[0].outcomes

    def bundle(self, *identifiers: str, payloads: bool = True) -> bytes:
        keys = [
            SubjectKey(Space.DOCUMENT if text.startswith("urn:custody:doc:") else Space.THING, text)
            for text in identifiers
        ]
        shown = {event: history.Payload(*found) for event, found in self.payloads.items()}
        return build(Past(self.world, shown), keys, payloads=payloads)


def shipped(ledger: Ledger, *, held: bool = False) -> Ledger:
    """Item made, packed on a pallet and into a container, declared, handed over twice, perhaps detained."""
    item, pallet, container = (Thing(canonical(text)) for text in (ITEM, PALLET, CONTAINER))
    to = {name: canonical(ledger.world.party_of(name)) for name in ledger.world.organisations}
    others = [Thing(canonical(serial("9521234", 1, number))) for number in range(2, 5)]
    ledger.record("maker", make(ledger.at(), [item, *others], lot="L7"))
    ledger.record("maker", pack(ledger.at(), pallet.identifier, [item, *others], count=4))
    ledger.record("maker", pack(ledger.at(seals=("NL-4711",)), container.identifier, [pallet]))
    ledger.record("maker", bind(ledger.at(), [subject("ucr:4NL123456789-A7")], [container]))
    ledger.record("maker", offer(ledger.at(), [container], to["forwarder"], sender=to["maker"]))
    ledger.record("forwarder", accept(ledger.at(2), [container], sender=to["maker"], count=1))
    ledger.record("forwarder", offer(ledger.at(2), [container], to["carrier"], sender=to["forwarder"]))
    ledger.record(
        "carrier", accept(ledger.at(3, other_seals=("NL-4712",)), [container], sender=to["forwarder"])
    )
    if held:
        ledger.record("customs", hold(ledger.at(4), [container], case="2023/0815", basis="UCC-Art-198"))
    return ledger


def write_files(folder: Path, ledger: Ledger, *identifiers: str) -> tuple[Path, Path]:
    """(bundle file, genesis file) of a ledger."""
    bundle, genesis = folder / "shipment.custody", folder / "genesis.custody"
    bundle.write_bytes(ledger.bundle(*identifiers))
    genesis.write_bytes(ledger.world.genesis.to_bytes())
    return bundle, genesis
