"""What hybrid signatures cost in bytes and processor time, against plain ones: the table of ledger/spec/SIGNATURES.md.

Times are processor time of one thread, the best of several rounds; they say how the two compare, not what a machine can do.
`PYTHONPATH=. .venv/bin/python scripts/signature_costs.py`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from ledger.base.encoding import encode
from ledger.base.keys import HybridKey, Signer, SigningKey, is_signature
from ledger.chain.certificate import check_certificate, make_certificate
from ledger.chain.closing import Closing
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import Vote, finalise
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.verify import verify
from ledger.trade.record import Space, SubjectKey
from ledger.trade.statement import Action, Role
from tests.world.past import Past
from tests.world.world import World, serial

ROUNDS: Final = 7
REPEATS: Final = 60
SIZES: Final = (4, 31)
NETWORK: Final = bytes(32)
MESSAGE: Final = bytes(range(32))


def best_us(work: Callable[[], object]) -> float:
    """Processor time of one call, microseconds."""
    work()
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(REPEATS):
            work()
        found.append((time.process_time() - begun) / REPEATS * 1e6)
    return min(found)


def key(number: int, *, hybrid: bool) -> Signer:
    """A key of either kind."""
    seed = bytes([number + 1]) * 64
    return HybridKey.from_seed(seed) if hybrid else SigningKey(seed[:32])


def rows(*, hybrid: bool) -> Iterator[tuple[str, float, str]]:
    """(what, how much, unit) for one kind of key."""
    one = key(0, hybrid=hybrid)
    signature = one.sign(MESSAGE)
    yield "public key", len(one.public_key), "B"
    yield "signature", len(signature), "B"
    yield "sign", best_us(lambda: one.sign(MESSAGE)), "µs"
    yield "verify", best_us(lambda: is_signature(one.public_key, MESSAGE, signature)), "µs"
    for count in SIZES:
        keys = {f"organisation-{number:02}": key(number, hybrid=hybrid) for number in range(count)}
        members = [Validator(name, each.public_key) for name, each in keys.items()]
        validators = ValidatorSet(NETWORK, members)
        claim = finalise(0, 1, MESSAGE, MESSAGE)
        message = claim.signing_message(NETWORK)
        signed = {place: each.sign(message) for place, each in enumerate(keys.values())}
        certificate = make_certificate(validators, claim, signed)
        yield f"vote, {count} validators", len(encode(Vote(claim, 1, signed[1]))), "B"
        yield f"certificate, {count} validators", len(encode(certificate)), "B"
        yield (
            f"check a certificate, {count} validators",
            best_us(lambda v=validators, c=certificate: check_certificate(v, c)),  # type: ignore[misc]
            "µs",
        )
    world = World(hybrid=("",) if hybrid else ())
    item = serial("9521234", 1, 1)
    transaction = world.sign("maker", world.item(Action.MAKE, [(Role.OBJECT, item)]))
    world.commit(transaction)
    yield "transaction of one event", len(transaction.to_bytes()), "B"
    yield "genesis of 4 organisations", len(world.genesis.to_bytes()), "B"
    yield "key in the registry", max(len(encode(e)) for e in world.genesis.entries if e.kind == 1), "B"
    anchor = anchor_from_genesis(world.genesis)
    bundle = build(Past(world), [SubjectKey(Space.THING, item)])
    yield "bundle of one event", len(bundle), "B"
    yield "verify that bundle", best_us(lambda: verify(bundle, anchor)), "µs"
    world.commit(world.carry(world.change()), closes_epoch=True)
    closing = Closing(world.checkpoints[-1], world.state.sets[-1].members)
    yield "closing of an epoch in a bundle, 4 validators", len(encode(closing)), "B"


def main() -> None:
    """Print the table."""
    print("| | Ed25519 | with ML-DSA-65 | times |\n|---|---:|---:|---:|")
    for (what, plain, unit), (_, hybrid, _) in zip(rows(hybrid=False), rows(hybrid=True), strict=True):
        print(f"| {what} | {plain:,.0f} {unit} | {hybrid:,.0f} {unit} | {hybrid / plain:.1f} |")


if __name__ == "__main__":
    main()
