"""Forgeries, drawn and judged: what became of each before the real verifier."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Final, NamedTuple

from ledger.base.encoding import encode
from ledger.base.errors import CustodyError, FormError
from ledger.proof.bundle import Bundle, bundle_from_bytes
from ledger.proof.verify import verify
from ledger.state.links import entry_hash
from tests.fuzz.forge.alter import ALTERATIONS
from tests.fuzz.forge.honest import Scene, core_of
from tests.fuzz.forge.repair import refitted, resigned, with_claim

AS_IS: Final = "as it is"
CLAIM: Final = "claim made to fit"
ALL: Final = "all hashes made to fit"
BELOW: Final = "hashes made to fit, under the true checkpoint"
REPAIRS: Final = (AS_IS, AS_IS, CLAIM, ALL, BELOW, BELOW)
STAGES: Final = ("decoding", "certificate", "authentication", "replay", "leftovers")
_SHAPELESS: Final = (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError)
_FOREIGN: Final = 0.03


class Forgery(NamedTuple):
    """A forged file and how it was made."""

    kind: str
    repair: str
    data: bytes
    scene: int


def forgeries(scenes: tuple[Scene, ...], seed: int) -> Iterator[Forgery]:
    """Forgeries without end, in order of the seed."""
    draw = random.Random(seed)
    kinds = list(ALTERATIONS)
    while True:
        at = draw.randrange(len(scenes))
        scene = scenes[at]
        original = draw.choice(scene.bundles)
        if draw.random() < _FOREIGN:
            other = draw.choice(scenes[:at] + scenes[at + 1 :])
            yield _foreign(original, draw.choice(other.bundles), at, draw)
            continue
        bundle = original
        made = []
        for _ in range(draw.choice((1, 1, 1, 1, 2, 3))):
            kind = draw.choice(kinds)
            try:
                found = ALTERATIONS[kind](scene, bundle, draw)
            except _SHAPELESS:  # after values changed places, nothing need be what it was
                found = None
            if found is not None:
                bundle = found
                made.append(kind)
        if not made:
            continue
        repair = draw.choice(REPAIRS)
        yield Forgery(
            "+".join(sorted(set(made))), repair, _finished(original, bundle, scene, repair, draw), at
        )


def _finished(original: Bundle, bundle: Bundle, scene: Scene, repair: str, draw: random.Random) -> bytes:
    try:
        if repair == CLAIM:
            bundle = resigned(with_claim(bundle), scene, draw)
        elif repair in (ALL, BELOW):
            names = {entry_hash(original.network, one.entry): one.entry.sequence for one in original.entries}
            fitted = refitted(bundle, names, scene.anchor.depth)
            bundle = (
                resigned(fitted, scene, draw)
                if repair == ALL
                else fitted._replace(checkpoint=bundle.checkpoint)
            )
    except _SHAPELESS:
        pass  # parts of no shape: shown as they are
    return encode(bundle)


def _foreign(original: Bundle, other: Bundle, at: int, draw: random.Random) -> Forgery:
    """Another network's proof: renamed, or under this one's checkpoint, or parts of it."""
    network = original.network
    field = draw.choice(("records", "registry", "chains", "entries", "asked"))
    made = draw.choice((
        other, other._replace(network=network), other._replace(network=network, checkpoint=original.checkpoint),
        original._replace(**{field: getattr(other, field)}), original._replace(checkpoint=other.checkpoint),
        other._replace(network=network, checkpoint=other.checkpoint._replace(header=other.checkpoint.header._replace(network=network))),
    ))  # fmt: skip
    return Forgery("another network", AS_IS, encode(made), at)


class Verdicts(NamedTuple):
    """What a run came to."""

    forged: int
    """Distinct files, none of them an honest one."""
    honest: int
    """Came out as an honest proof again, and are not counted."""
    accepted: tuple[Forgery, ...]
    crashed: tuple[Forgery, ...]
    """The verifier ended with something else than its documented errors."""
    judged: dict[bytes, tuple[str, str]]
    """By digest: where it was refused, and its kind."""

    @property
    def by_stage(self) -> Counter[str]:
        """How many were refused where."""
        return Counter(stage for stage, _ in self.judged.values())

    @property
    def by_kind(self) -> Counter[str]:
        """How many underwent each alteration."""
        return Counter(kind for _, kinds in self.judged.values() for kind in kinds.split("+"))


def is_honest(data: bytes, scene: Scene) -> bool:
    """Whether the file is an honest proof: the same parts, and no other bytes of events than the true ones."""
    try:
        bundle = bundle_from_bytes(data)
    except CustodyError:
        return False
    true = {payload for known in scene.bundles for payload in known.payloads}
    closings = {closing for known in scene.bundles for closing in known.closings}
    if not all(closing in closings for closing in bundle.closings):
        return False
    return core_of(bundle) in scene.known and all(payload in true for payload in bundle.payloads)


def judge(scenes: tuple[Scene, ...], seed: int, count: int) -> Verdicts:
    """Forge and verify `count` distinct files."""
    seen: dict[bytes, tuple[str, str]] = {}
    honest = 0
    accepted: list[Forgery] = []
    crashed: list[Forgery] = []
    for forgery in forgeries(scenes, seed):
        if len(seen) >= count:
            break
        digest = hashlib.sha256(forgery.data).digest()[:12]
        if digest in seen:
            continue
        scene = scenes[forgery.scene]
        try:
            verify(forgery.data, scene.anchor)
            stage = "accepted"
        except FormError as error:
            stage = (
                "decoding"
                if _module(error.__traceback__).startswith(("ledger.proof.bundle", "ledger.base"))
                else "replay"
            )
        except CustodyError as error:
            stage = _stage(error.__traceback__)
        except Exception:  # noqa: BLE001  # whatever else escapes is a finding
            stage = "crashed"
        if stage == "accepted" and is_honest(forgery.data, scene):
            honest += 1
            continue
        seen[digest] = (stage, forgery.kind)
        if stage == "accepted":
            accepted.append(forgery)
        elif stage == "crashed":
            crashed.append(forgery)
    return Verdicts(len(seen), honest, tuple(accepted), tuple(crashed), seen)


def _frames(trace: TracebackType | None) -> list[tuple[str, str]]:
    found = []
    while trace is not None:
        frame = trace.tb_frame
        found.append((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        trace = trace.tb_next
    return found


def _module(trace: TracebackType | None) -> str:
    return next((module for module, _ in reversed(_frames(trace)) if module.startswith("ledger.proof")), "")


def _stage(trace: TracebackType | None) -> str:
    frames = _frames(trace)
    names = {name for _, name in frames}
    if "check_against" in names or (frames and frames[-1] == ("ledger.proof.verify", "__init__")):
        return "certificate"
    if any(name.startswith("_authentic") for name in names):
        return "authentication"
    if "check_all_used" in names or "_check_payloads" in names:
        return "leftovers"
    return "decoding" if "bundle_from_bytes" in names else "replay"
