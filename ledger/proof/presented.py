"""What the officer sees, held against what the ledger says (DESIGN §7, physical match)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ledger.proof.replay import Replayed
from ledger.trade.record import Space

if TYPE_CHECKING:
    from ledger.proof.narrate import Narrator


class Presented(NamedTuple):
    """What is in front of the officer. None: not looked at. Identifiers are canonical."""

    by: str | None = None
    """Organisation id of who presents it."""
    place: str | None = None
    container: str | None = None
    seal: str | None = None
    inside: int | None = None
    """How many things are directly inside."""

    @property
    def is_anything(self) -> bool:
        """Whether anything was looked at."""
        return any(value is not None for value in self)


Line = tuple[str, str, str]


def compare(presented: Presented, replayed: Replayed, narrator: Narrator) -> list[Line]:
    """(name, state, sentence) for each thing looked at: ok agrees, bad differs, not checked.

    Documents are not presented; a container presented may be the subject itself; what was counted inside the container
    presented says nothing of how much is inside another subject.
    """
    if replayed.key.space not in (Space.THING, Space.BALANCE):
        return []
    own, itself = replayed.record, replayed.key.identifier
    counted = presented.inside if presented.container in (None, itself) else None
    seals = sorted({seal for record in replayed.whole for seal in record.seals})
    containers = replayed.containers
    stated = [
        step.opened.statement.place
        for step in replayed.steps
        if step.opened.statement.place is not None and not step.aside  # a stranger's report places nothing
    ]
    return [
        _line("presented by", presented.by, [replayed.custodian], narrator.name(replayed.custodian)),
        _line("place", presented.place, stated[-1:], stated[-1] if stated else "nowhere stated"),
        _line(
            "container",
            presented.container,
            [itself, *containers],
            ", ".join(containers) or "in no container",
        ),
        _line("seal", presented.seal, list(seals), ", ".join(seals) or "no seal on record"),
        _line("count", counted, [own.children], str(own.children)),
    ]


def _line(
    name: str, seen: str | int | None, known: list[str | None] | list[str] | list[int], said: str
) -> Line:
    if seen is None:
        return name, "not checked", f"{name}: not looked at; the ledger says {said}"
    if seen in known:
        return name, "ok", f"{name}: agrees ({seen})"
    return name, "bad", f"{name} DIFFERS: {seen} is seen, the ledger says {said}"
