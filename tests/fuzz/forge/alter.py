"""What a forger may do to a proof before making it fit again: each alteration by its name, drawn on a scene's honest proofs.

An alteration takes (scene, bundle, draw) and gives another bundle, or None where it does not apply.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from ledger.proof.bundle import ASIDE, MAIN, MOVES, Bundle, ShownEntry
from ledger.state.links import entry_hash
from ledger.trade.record import EMPTY, Record, SubjectKey
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Action, Flag, Role
from tests.fuzz.forge.honest import Scene
from tests.fuzz.mutation import random_node
from tests.proof.forgery import replaced
from tests.proof.histories import DOCUMENTS, ORGANISATIONS, THINGS
from tests.world.world import party, place

Alteration = Callable[[Scene, Bundle, random.Random], Bundle | None]
LISTS: Final = ("closings", "asked", "records", "registry", "chains", "entries", "legs", "payloads")
_OUTCOMES: Final = tuple(int(code) for code in Outcome)
_ACTIONS: Final = tuple(int(action) for action in Action)


T = TypeVar("T", bound=NamedTuple)


def _with(value: T, **fields: Any) -> T:
    """`_replace` by names known only when run."""
    replace: Callable[..., T] = value._replace
    return replace(**fields)


def _at(values: Sequence[Any], place_: int, new: Any) -> tuple[Any, ...]:
    return (*values[:place_], new, *values[place_ + 1 :])


def _one(values: Sequence[Any], draw: random.Random) -> tuple[int, Any] | None:
    if not values:
        return None
    at = draw.randrange(len(values))
    return at, values[at]


def _with_one(bundle: Bundle, field: str, draw: random.Random, change: Callable[[Any], Any]) -> Bundle | None:
    """The bundle with one member of a list changed; None where `change` gives None."""
    found = _one(getattr(bundle, field), draw)
    if found is None:
        return None
    new = change(found[1])
    return None if new is None else _with(bundle, **{field: _at(getattr(bundle, field), found[0], new)})


# --- dropping, doubling, swapping


def drop(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A whole part is kept back."""
    field = draw.choice(LISTS)
    found = _one(getattr(bundle, field), draw)
    if found is None or (field == "payloads") or (field == "asked" and len(bundle.asked) < 2):
        return None  # bytes are optional: without them a proof is honest
    return _with(
        bundle, **{field: getattr(bundle, field)[: found[0]] + getattr(bundle, field)[found[0] + 1 :]}
    )


def double(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A part stands twice."""
    field = draw.choice(LISTS)
    found = _one(getattr(bundle, field), draw)
    if found is None:
        return None
    return _with(
        bundle,
        **{
            field: _at(getattr(bundle, field), found[0], found[1])[: found[0] + 1]
            + getattr(bundle, field)[found[0] :]
        },
    )


def drop_links(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Links are kept back: the last, the first, or one between; the subject's record says so too."""
    found = _one([one for one in bundle.chains if len(one.links) > 1], draw)
    if found is None:
        return None
    chain, count = found[1], len(found[1].links)
    at = draw.choice((0, count - 1, draw.randrange(count)))
    kept = chain.links[:at] + chain.links[at + 1 :]
    bundle = _with_chain(bundle, chain, chain._replace(links=kept))
    return _shortened(bundle, chain.key, chain.kind, -1) if draw.random() < 0.7 else bundle


def double_link(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    found = _one(bundle.chains, draw)
    if found is None:
        return None
    chain = found[1]
    at = draw.randrange(len(chain.links))
    again = chain._replace(links=(*chain.links[: at + 1], *chain.links[at:]))
    return _shortened(_with_chain(bundle, chain, again), chain.key, chain.kind, 1)


def swap_links(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    found = _one([one for one in bundle.chains if len(one.links) > 1], draw)
    if found is None:
        return None
    chain = found[1]
    at = draw.randrange(len(chain.links) - 1)
    swapped = (*chain.links[:at], chain.links[at + 1], chain.links[at], *chain.links[at + 2 :])
    return _with_chain(bundle, chain, chain._replace(links=swapped))


def move_aside(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """What the custodian did becomes a stranger's report, or the other way round."""
    found = _one([one for one in bundle.chains if one.kind != MOVES], draw)
    if found is None:
        return None
    chain = found[1]
    return _with_chain(bundle, chain, chain._replace(kind=ASIDE if chain.kind == MAIN else MAIN))


def _with_chain(bundle: Bundle, old: Any, new: Any) -> Bundle:
    return bundle._replace(chains=tuple(sorted(new if one == old else one for one in bundle.chains)))


def _shortened(bundle: Bundle, key: SubjectKey, kind: int, by: int) -> Bundle:
    """The current record counts as many links as are shown."""
    field = {MAIN: "links", ASIDE: "asides", MOVES: "moves"}[kind]

    def counted(record: Record) -> Record:
        chain = getattr(record, field)
        return _with(record, **{field: chain._replace(length=max(0, chain.length + by))})

    return _with_record(bundle, key, counted)


def _with_record(bundle: Bundle, key: SubjectKey, change: Callable[[Record], Record | None]) -> Bundle:
    records = tuple(
        one._replace(record=change(one.record)) if one.key == key and one.record is not None else one
        for one in bundle.records
    )
    return bundle._replace(records=records)


def end_early(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A subject's history ends where it stood before one of its events, and its record is that of then."""
    found = _one([one for one in bundle.chains if one.kind == MAIN], draw)
    if found is None:
        return None
    chain = found[1]
    at = draw.randrange(len(chain.links))
    before = _before(bundle, chain.key, at)
    if before is None:
        return None
    gone = {link.entry for link in chain.links[at:]}
    bundle = _with_record(bundle, chain.key, lambda _: None if before == EMPTY else before)
    kept = chain._replace(links=chain.links[:at])
    chains = tuple(kept if one == chain else one for one in bundle.chains if one != chain or at)
    named = {link.entry for one in chains for link in one.links}
    names = _names(bundle)
    entries = tuple(one for one in bundle.entries if names[one.entry.sequence] not in gone - named)
    return bundle._replace(chains=chains, entries=entries)


def _names(bundle: Bundle) -> dict[int, bytes]:
    return {one.entry.sequence: entry_hash(bundle.network, one.entry) for one in bundle.entries}


def _before(bundle: Bundle, key: SubjectKey, length: int) -> Record | None:
    """The record of `key` as it was with `length` links, if a proof shows it."""
    for shown in bundle.entries:
        for opening in shown.related:
            if opening.key == key and opening.record.links.length == length:
                return opening.record
    return None


# --- saying something else


def statement(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """An author is made to say something else."""
    other = draw.choice(draw.choice(scene.bundles).entries or bundle.entries).parts.statement
    fields: dict[str, Callable[[Any], Any]] = {
        "action": lambda _: draw.choice(_ACTIONS), "counterparty": lambda _: draw.choice((None, party(draw.randint(1, 7)))),
        "source": lambda _: draw.choice((None, party(draw.randint(1, 7)))), "time_ms": lambda old: old + draw.choice((-1, 1, 86_400_000)),
        "place": lambda _: draw.choice((None, place(draw.randint(1, 9)))), "flags": lambda old: old ^ draw.choice([int(flag) for flag in Flag]),
        "cites": lambda _: draw.choice((None, other.cites)), "measure": lambda _: other.measure, "permit": lambda _: other.permit,
        "seals": lambda _: draw.choice(((), ("S1",), ("S9", "S8"))), "openness": lambda old: 1 - old, "step": lambda _: other.step,
        "handover": lambda _: other.handover, "documents": lambda _: draw.choice(((), DOCUMENTS[:1])),
        "lapse_ms": lambda _: draw.choice((None, 1, 2**52)), "transformation": lambda _: draw.choice((None, "urn:example:t2")),
        "disposition": lambda old: old + 1,
    }  # fmt: skip
    name = draw.choice(list(fields))

    def said(shown: ShownEntry) -> ShownEntry:
        old = shown.parts.statement
        new = _with(old, **{name: fields[name](getattr(old, name))})
        return shown._replace(parts=shown.parts._replace(statement=new))

    return _with_one(bundle, "entries", draw, said)


def subject(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """An event names something else, in another role, in another quantity."""

    def named(shown: ShownEntry) -> ShownEntry | None:
        found = _one(shown.subjects, draw)
        if found is None:
            return None
        at, opening = found
        old = opening.subject
        new = draw.choice((
            old._replace(identifier=draw.choice(THINGS)), old._replace(role=int(draw.choice(list(Role)))),
            old._replace(quantity=None if old.quantity is None else old.quantity._replace(amount=old.quantity.amount + 1)),
        ))  # fmt: skip
        return shown._replace(subjects=_at(shown.subjects, at, opening._replace(subject=new)))

    return _with_one(bundle, "entries", draw, named)


def parts(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Counts, roots, salts, places, hashes and attestations of an item."""

    def changed(shown: ShownEntry) -> ShownEntry:
        old = shown.parts
        attestation = old.attestation
        choices = [
            shown._replace(parts=old._replace(subject_count=max(1, old.subject_count + draw.choice((-1, 1, 500))))),
            shown._replace(related_count=max(0, shown.related_count + draw.choice((-1, 1)))),
            shown._replace(named=tuple(max(0, count + draw.choice((-1, 0, 1))) for count in shown.named)),
            shown._replace(parts=old._replace(event_hash=draw.randbytes(32))),
            shown._replace(parts=old._replace(context_hash=draw.choice((None, draw.randbytes(32))))),
            shown._replace(parts=old._replace(attestation=None)),
            shown._replace(subjects=()), shown._replace(related=()), shown._replace(related=shown.related[1:]),
            shown._replace(subjects=shown.subjects[1:]),
        ]  # fmt: skip
        if attestation is not None:
            choices.append(
                shown._replace(
                    parts=old._replace(attestation=attestation._replace(counter=attestation.counter + 1))
                )
            )
        lists: tuple[tuple[str, Sequence[Any]], ...] = (
            ("subjects", shown.subjects),
            ("related", shown.related),
        )
        for field, openings in lists:
            for at, one in enumerate(openings):
                choices.append(
                    _with(shown, **{field: _at(openings, at, one._replace(salt=draw.randbytes(16)))})
                )
                choices.append(_with(shown, **{field: _at(openings, at, one._replace(place=one.place + 1))}))
        return draw.choice(choices)

    return _with_one(bundle, "entries", draw, changed)


def entry(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """An event by another author, at another time, in another place of the log."""
    other = draw.choice(draw.choice(scene.bundles).entries or bundle.entries).entry

    def changed(shown: ShownEntry) -> ShownEntry:
        old = shown.entry
        fields = draw.choice((
            {"organisation": draw.choice(ORGANISATIONS)}, {"public_key": other.public_key},
            {"organisation": other.organisation, "public_key": other.public_key}, {"time_ms": old.time_ms + draw.choice((-1, 1, 10**10))},
            {"height": max(0, old.height + draw.choice((-1, 1)))}, {"sequence": max(0, old.sequence + draw.choice((-1, 1)))},
            {"transaction": other.transaction}, {"place": old.place + 1}, {"related_root": other.related_root},
            {"item_hash": other.item_hash},
        ))  # fmt: skip
        return shown._replace(entry=old._replace(**fields))

    return _with_one(bundle, "entries", draw, changed)


def link(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """An event with another outcome, or that leaves it with somebody else."""

    def changed(chain: Any) -> Any:
        at, old = draw.choice(list(enumerate(chain.links)))
        fields = draw.choice(
            ({"custodian": draw.choice((None, *ORGANISATIONS))}, {"code": draw.choice(_OUTCOMES)})
        )
        return chain._replace(links=_at(chain.links, at, old._replace(**fields)))

    return _with_one(bundle, "chains", draw, changed)


def _record_changed(scene: Scene, old: Record, draw: random.Random) -> Record | None:
    other = draw.choice(
        [one.record for bundle in scene.bundles[-6:] for one in bundle.records if one.record is not None]
    )
    field = draw.choice(Record._fields)
    empty = getattr(EMPTY, field)
    new = draw.choice((getattr(other, field), empty, empty))
    if field == "custodian":
        new = draw.choice(ORGANISATIONS)
    return None if new == getattr(old, field) else _with(old, **{field: new})


def record(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A record at the checkpoint says something else: another custodian, no hold, no contradiction."""

    def changed(shown: Any) -> Any:
        new = None if shown.record is None else _record_changed(scene, shown.record, draw)
        if draw.random() < 0.1:
            return shown._replace(record=None if shown.record is not None else EMPTY)
        return None if new is None else shown._replace(record=new)

    return _with_one(bundle, "records", draw, changed)


def related(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A record before an event says something else; in half of the cases in all events alike."""

    def changed(shown: ShownEntry) -> ShownEntry | None:
        found = _one(shown.related, draw)
        if found is None:
            return None
        at, opening = found
        if draw.random() < 0.2:
            new = draw.choice(
                (
                    opening._replace(role=draw.choice((*map(int, Role), 255))),
                    opening._replace(key=opening.key._replace(identifier=draw.choice(THINGS))),
                )
            )
        else:
            record_ = _record_changed(scene, opening.record, draw)
            if record_ is None:
                return None
            new = opening._replace(record=record_)
        return shown._replace(related=_at(shown.related, at, new))

    return _with_one(bundle, "entries", draw, changed)


def registry(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """The register of members says something else: a role more, another country, another holder of a key or a prefix."""

    def changed(shown: Any) -> Any:
        proof = shown.proof
        at, (place_, member, path) = draw.choice(list(enumerate(proof.shown)))
        if draw.random() < 0.2:
            return shown._replace(proof=draw.choice((proof._replace(size=proof.size + 1), proof._replace(shown=proof.shown[:1]),
                                                     proof._replace(shown=_at(proof.shown, at, (place_ + 1, member, path))))))  # fmt: skip
        period = member.periods[-1]
        data = period.data
        if type(data) is tuple and len(data) == 4:
            data = draw.choice(
                (
                    ("Another", *data[1:]),
                    (*data[:2], ("customs",), data[3]),
                    (*data[:3], not data[3]),
                    (draw.choice(ORGANISATIONS), *data[1:]),
                )
            )
        elif type(data) is str:
            data = draw.choice(ORGANISATIONS)
        elif type(data) is tuple:
            data = ()
        period = draw.choice(
            (
                period._replace(data=data),
                period._replace(data=data),
                period._replace(since=5),
                period._replace(until=1),
            )
        )
        new = member._replace(periods=(*member.periods[:-1], period))
        if draw.random() < 0.1:
            new = member._replace(name=member.name[:-1] + draw.choice("0a9z"))
        return shown._replace(proof=proof._replace(shown=_at(proof.shown, at, (place_, new, path))))

    return _with_one(bundle, "registry", draw, changed)


def legs(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A document or transformation is about something else."""

    def changed(shown: Any) -> Any:
        at, (key, code) = draw.choice(list(enumerate(shown.elements)))
        new = draw.choice(
            ((key, draw.choice(_OUTCOMES)), (key._replace(identifier=draw.choice(THINGS)), code))
        )
        if len(shown.elements) > 1 and draw.random() < 0.3:
            return shown._replace(elements=shown.elements[:at] + shown.elements[at + 1 :])
        return shown._replace(elements=_at(shown.elements, at, new))

    return _with_one(bundle, "legs", draw, changed)


def payload(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Other bytes in the place of the author's."""
    other = draw.choice([one for known in scene.bundles for one in known.payloads] or [None])

    def changed(shown: Any) -> Any:
        return draw.choice((
            shown._replace(event=shown.event.replace(b"2", b"3", 1)), shown._replace(event=shown.event + b" "),
            shown._replace(context=None if shown.context else b"{}"), shown._replace(salt=draw.randbytes(16)),
            None if other is None else shown._replace(event=other.event), None if other is None else shown._replace(event_hash=other.event_hash),
        ))  # fmt: skip

    return _with_one(bundle, "payloads", draw, changed)


def rename(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Another name for the same, everywhere: one thing's papers shown for another, one member's deeds for another's."""
    if draw.random() < 0.5:
        old, new = draw.sample(ORGANISATIONS, 2)
    else:
        old, new = bundle.asked[0].identifier, draw.choice((*THINGS, *DOCUMENTS))
    return None if old == new else _renamed(bundle, old, new)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, tuple):
        members = [_renamed(member, old, new) for member in value]
        return type(value)._make(members) if hasattr(value, "_make") else tuple(members)
    return new if value == old and type(value) is str else value


def ask_another(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """The proof of one thing shown as that of another."""
    key = draw.choice(draw.choice(scene.bundles).asked)
    other = draw.choice((key, bundle.asked[0]._replace(identifier=draw.choice(THINGS))))
    return None if other in bundle.asked else bundle._replace(asked=(other,))


def header(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A later time, another height, another epoch: an old proof made to look current."""
    old = bundle.checkpoint.header
    fields: dict[str, Any] = draw.choice((
        {"time_ms": old.time_ms + draw.choice((1, 86_400_000, 10**10))}, {"height": old.height + draw.choice((-1, 1, 100))},
        {"epoch": old.epoch + 1}, {"closes_epoch": not old.closes_epoch}, {"proposer": (old.proposer + 1) % 4},
        {"parent": draw.randbytes(32)}, {"transactions_root": draw.randbytes(32)},
    ))  # fmt: skip
    return bundle._replace(checkpoint=bundle.checkpoint._replace(header=old._replace(**fields)))


def outcome(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Another outcome of the same block."""
    old = bundle.checkpoint.outcome
    fields: dict[str, Any] = draw.choice((
        {"event_log_size": old.event_log_size + draw.choice((-1, 1))}, {"state_root": draw.randbytes(32)},
        {"registry_root": draw.randbytes(32)}, {"validators_hash": draw.randbytes(32)}, {"next_validators_hash": draw.randbytes(32)},
        {"parent_outcome_hash": draw.randbytes(32)}, {"receipts_root": draw.randbytes(32)},
    ))  # fmt: skip
    return bundle._replace(checkpoint=bundle.checkpoint._replace(outcome=old._replace(**fields)))


def claim(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A certificate over something else, or of another kind."""
    old = bundle.checkpoint.certificate
    bits = int.from_bytes(old.signers, "little") ^ 1 << draw.randrange(8 * len(old.signers))
    new = draw.choice((
        old._replace(claim=old.claim._replace(view=old.claim.view + 1)), old._replace(claim=old.claim._replace(epoch=old.claim.epoch + 1)),
        old._replace(signers=bits.to_bytes(len(old.signers), "little")), old._replace(signatures=old.signatures[64:] + old.signatures[:64]),
        old._replace(signatures=old.signatures[:-64]), old._replace(signatures=old.signatures + old.signatures[:64]),
        old._replace(signers=old.signers + b"\0"), old._replace(signatures=draw.randbytes(64) + old.signatures[64:]),
    ))  # fmt: skip
    return bundle._replace(checkpoint=bundle.checkpoint._replace(certificate=new))


# --- splicing


def splice_list(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """All records, look-ups, chains, entries of another proof: another height, another subject."""
    other, field = draw.choice(scene.bundles), draw.choice(LISTS[:-1])
    return (
        None
        if getattr(other, field) == getattr(bundle, field)
        else _with(bundle, **{field: getattr(other, field)})
    )


def splice_part(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """One record, look-up, chain or entry as another proof has it, in the place of the same one where there is one."""
    other, field = draw.choice(scene.bundles), draw.choice(("closings", *LISTS[2:-1]))
    found = _one(getattr(other, field), draw)
    if found is None or found[1] in getattr(bundle, field):
        return None
    new = found[1]
    width = {"records": 1, "registry": 3, "chains": 3, "entries": 0, "legs": 1, "closings": 0}[field]

    def name(one: Any) -> Any:
        return one[:width] if width else one.epoch if field == "closings" else one.entry.sequence

    kept = [one for one in getattr(bundle, field) if name(one) != name(new)]
    return _with(bundle, **{field: tuple(sorted((*kept, new), key=name))})


def splice_checkpoint(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """The checkpoint, or a part of it, of another height."""
    other = draw.choice(scene.bundles).checkpoint
    if other == bundle.checkpoint:
        return None
    field = draw.choice((None, "header", "outcome", "certificate"))
    new = other if field is None else _with(bundle.checkpoint, **{field: getattr(other, field)})
    return bundle._replace(checkpoint=new)


def splice_twin(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A history that never was, whole and consistent, under a true checkpoint or one that nobody certified."""
    if not scene.twins:
        return None
    twin = draw.choice(scene.twins)
    certificate = bundle.checkpoint.certificate
    checkpoint = draw.choice((bundle.checkpoint, twin.checkpoint._replace(certificate=certificate)))
    return twin._replace(checkpoint=checkpoint)


def splice_twin_part(scene: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """A part of a history that never was."""
    if not scene.twins:
        return None
    return splice_part(scene._replace(bundles=scene.twins), bundle, draw)


def values(_: Scene, bundle: Bundle, draw: random.Random) -> Bundle | None:
    """Two values of the same type anywhere in the proof change places."""
    path, node = random_node(tuple(bundle), draw)
    for _attempt in range(8):
        other_path, other = random_node(tuple(bundle), draw)
        if type(other) is type(node) and other != node and other_path != path:
            return Bundle._make(replaced(tuple(bundle), path, other)) if path else None
    return None


ALTERATIONS: Final[dict[str, Alteration]] = {
    one.__name__: one
    for one in (
        drop, double, drop_links, double_link, swap_links, move_aside, end_early, statement, subject, parts, entry, link, record,
        related, registry, legs, payload, rename, ask_another, header, outcome, claim, splice_list, splice_part,
        splice_checkpoint, splice_twin, splice_twin_part, values,
    )
}  # fmt: skip
