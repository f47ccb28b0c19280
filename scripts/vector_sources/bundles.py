"""A small ledger: its genesis, the links and records it leaves, bundles good and bad with the expected verdict."""

from __future__ import annotations

from typing import Any

from ledger.base.encoding import encode
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verdict import assess
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.world.past import Past
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEM, CASE = serial(MAKER, 1, 1), sscc(MAKER, 1)


def _played() -> tuple[World, bytes]:
    """Made, packed, handed over, held; and the item's bundle of before the hold."""
    world = World(name="vectors", protocol=1)
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)], to="carrier")
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, CASE)])
    world.do("forwarder", Action.ACCEPT, [(Role.OBJECT, ITEM)])
    early = build(Past(world), [thing(ITEM)])
    world.do("customs", Action.HOLD, [(Role.OBJECT, CASE)], measure=("C-1", "UCC-198"))
    return world, early


def _bundles(world: World, early: bytes) -> list[dict[str, Any]]:
    anchor = anchor_from_genesis(world.genesis)
    data = build(Past(world), [thing(ITEM)])
    made = bundle_from_bytes(data)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    files = [
        ("the item, held", data, world.now_ms),
        ("the case, held", build(Past(world), [thing(CASE)]), world.now_ms),
        ("item and case", build(Past(world), [thing(ITEM), thing(CASE)]), world.now_ms),
        ("the item before the hold", early, world.now_ms),
        ("the item before the hold, three days on", early, world.now_ms + 3 * 86_400_000),
        ("a flipped bit", bytes(flipped), world.now_ms),
        ("cut short", data[:-1], world.now_ms),
        ("a trailing byte", data + b"\0", world.now_ms),
        ("an event left out", made._replace(entries=made.entries[1:]).to_bytes(), world.now_ms),
        ("a run of links left out", made._replace(chains=made.chains[1:]).to_bytes(), world.now_ms),
        ("a record left out", made._replace(records=made.records[1:]).to_bytes(), world.now_ms),
        (
            "the checkpoint of before",
            made._replace(checkpoint=bundle_from_bytes(early).checkpoint).to_bytes(),
            world.now_ms,
        ),
        ("a network of another name", made._replace(network=bytes(32)).to_bytes(), world.now_ms),
        ("nothing asked", made._replace(asked=()).to_bytes(), world.now_ms),
    ]
    found = []
    for name, file, now_ms in files:
        verdict = assess(file, anchor, now_ms=now_ms)
        found.append({
            "name": name, "now_ms": now_ms, "verdict": verdict.status.word, "exit_code": verdict.exit_code,
            "headline": verdict.headline, "bundle": file.hex(),
        })  # fmt: skip
    return found


def generate() -> Any:
    """Genesis and bundles as hexadecimal; entries, links and records of every event in between."""
    world, early = _played()
    network = world.network
    rows = []
    for row in world.rows:
        changes = row.changes
        rows.append({
            "entry": encode(changes.entry).hex(),
            "entry_hash": changes.entry_hash.hex(),
            "related_root": changes.entry.related_root.hex(),
            "related": [[leaf.role, list(leaf.key), leaf.record_hash.hex()] for leaf in changes.related],
            "links": [[list(new.key), new.aside, new.position, new.move, encode(new.link).hex()] for new in changes.links],
            "records": [[list(key), encode(record).hex()] for key, record in sorted(changes.records.items())],
        })  # fmt: skip
    return {
        "genesis": world.genesis.to_bytes().hex(),
        "network": network.hex(),
        "rows": rows,
        "bundles": _bundles(world, early),
    }
