"""Honest proofs to forge from: several networks, each proven at several heights, and another history beside each.

A *scene* is one network. Its bundles are what the honest prover built; whatever else verifies against its anchor is a
forgery that was accepted. `twins` are proofs of a history that never was, made by running the real code on the same genesis:
all hashes fit, only its certificates are taken away, since nobody has the validators' keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from ledger.base.encoding import encode
from ledger.base.hashing import Tag, tagged_hash
from ledger.base.keys import Signer
from ledger.proof.anchor import Anchor, anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.bundle import Bundle, bundle_from_bytes
from ledger.trade.record import SubjectKey
from tests.client.ledger_files import CONTAINER, DECLARATION, ITEM, PALLET, Ledger, shipped
from tests.proof.histories import Author, new_world, subjects_of
from tests.world.epochs import ChangingWorld
from tests.world.past import Past
from tests.world.world import World

STAGES: Final = (16, 16, 16)
"""Blocks before each time of proving."""
SUBJECTS: Final = 9
"""Proven one by one each time, beside two sets of several."""


class Scene(NamedTuple):
    """One network with its honest proofs."""

    anchor: Anchor
    bundles: tuple[Bundle, ...]
    """From the earliest height to the latest."""
    twins: tuple[Bundle, ...]
    world: World
    member_keys: tuple[Signer, ...]
    """Of organisations and devices: what thieves may have. None validates."""
    corrupt: tuple[int, Signer]
    """The one validator that may lie (f = 1): its place in the set, and its key."""
    known: frozenset[bytes]
    """`core_of` every honest proof."""


def core_of(bundle: Bundle) -> bytes:
    """What a proof says, less what may differ between honest ones.

    That is: which q validators signed, which bytes go with it, and how far back it proves changes of validators. `is_honest`
    sees to it that those are true.
    """
    certificate = bundle.checkpoint.certificate._replace(signers=b"", signatures=b"")
    core = bundle._replace(
        checkpoint=bundle.checkpoint._replace(certificate=certificate), payloads=(), closings=()
    )
    return tagged_hash(Tag.EVENT, bytes(32), encode(core))


def _proofs(world: World) -> Iterator[Bundle]:
    keys = subjects_of(world)
    past = Past(world)
    chosen: list[Sequence[SubjectKey]] = [[key] for key in keys[:: max(1, len(keys) // SUBJECTS)]]
    chosen += [keys[:3], keys[-4:]]
    for some in chosen:
        if some:
            yield bundle_from_bytes(build(past, some))


def _played(seed: int, name: str) -> tuple[World, list[Bundle]]:
    author = Author(seed, new_world(name=name))
    bundles: list[Bundle] = []
    for blocks in STAGES:
        author.run(blocks)
        bundles += _proofs(author.world)
    return author.world, bundles


def _scene(world: World, bundles: Sequence[Bundle], twins: Sequence[Bundle]) -> Scene:
    keys = (*world.keys.values(), *world.devices.values(), *world.delegates.values())
    known = frozenset(core_of(bundle) for bundle in bundles)
    anchor = anchor_from_genesis(world.genesis)
    return Scene(anchor, tuple(bundles), tuple(twins), world, keys, (2, world.validator_keys[2]), known)


def _shipment() -> Scene:
    """The shipment that clients record, with the bytes of its events, before and after it is held."""
    bundles: list[Bundle] = []
    ledgers = [shipped(Ledger()), shipped(Ledger(), held=True)]
    for ledger in ledgers:
        for asked in ((ITEM,), (CONTAINER,), (PALLET,), (DECLARATION,), (ITEM, DECLARATION)):
            bundles += [bundle_from_bytes(ledger.bundle(*asked, payloads=shows)) for shows in (True, False)]
    return _scene(ledgers[-1].world, bundles, ())


def _epochs() -> Scene:
    """Validators changed four times; whoever has the keys of all former sets stands before an anchor of the last epoch."""
    world = ChangingWorld(4)
    bundles = [
        bundle_from_bytes(data) for data in (*world.bundles, *(world.prove(epoch) for epoch in range(5)))
    ]
    scene = _scene(world, bundles, ())
    former = tuple(key for keys in world.epoch_keys[:-1] for key in keys)
    return scene._replace(
        anchor=world.anchors[-1],
        member_keys=(*scene.member_keys, *former),
        corrupt=(2, world.epoch_keys[-1][2]),
    )


@cache
def scenes(seed: int = 1, count: int = 4) -> tuple[Scene, ...]:
    """`count` networks of random histories, the shipment, and one whose validators changed."""
    made = []
    for number in range(count):
        name = f"network {number}".replace(" ", "-")
        world, bundles = _played(seed * 1_000 + number, name)
        _, twins = _played(seed * 1_000 + 500 + number, name)
        made.append(_scene(world, bundles, twins))
    return (*made, _shipment(), _epochs())
