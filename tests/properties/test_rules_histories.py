"""What holds after every event of any history (RULES.md §2 sums, §3 one custodian, §4 custody passes only so)."""

from __future__ import annotations

from hypothesis import example, given, note

from ledger.base.errors import Code
from ledger.chain.transaction import Mode
from ledger.trade.record import Record, Space, SubjectKey
from ledger.trade.rules import EXTERNAL, Outcome
from ledger.trade.rules.outcomes import BOUND_TOO
from ledger.trade.rules.standing import holding_authorities
from ledger.trade.rules.view import Situation, situation, thing
from ledger.trade.statement import Action, Role
from tests.properties.histories import (
    AUTHORITIES,
    LOTS,
    MAKER,
    RIVAL,
    THINGS,
    Draw,
    Player,
    bare,
    draws,
    scan,
)

PASSING = {
    Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_RESERVATION, Outcome.TAKEN, Outcome.TAKEN_WITH_RESERVATION, Outcome.COMPLETED,
    Outcome.VOIDED, Outcome.CONFIRMED, Outcome.LEFT_TO_EXTERNAL,
}  # fmt: skip
UNMAKING = {Outcome.CORRECTED}
FROM_NOBODY = PASSING | {
    Outcome.CLAIMED_CUSTODY, Outcome.MADE, Outcome.MADE_UNATTESTED, Outcome.ORIGIN_SET, Outcome.PARENT_BORN, Outcome.PACKED,
    Outcome.OFFERED, Outcome.OFFERED_OPEN, Outcome.UNPACKED, Outcome.FIRST_SEEN_UNPACKED, Outcome.SAMPLE_MADE, Outcome.CORRECTED,
}  # fmt: skip


def situations(player: Player) -> dict[str, Situation]:
    return {name: situation(player.view, thing(name)) for name in THINGS}


def outcomes_of(player: Player) -> dict[SubjectKey, int]:
    return {key: code % BOUND_TOO for key, code in player.rows[-1].changes.outcomes}


@given(draws)
def test_sums_are_what_a_scan_of_all_records_counts(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        _, item, execution = player.play(draw)
        note(
            f"{item.statement.action!r} {[(s.role, s.identifier[-6:]) for s in item.subjects]} {execution.receipts}"
        )
    for name, sums in scan(player).items():
        record = player.record(thing(name))
        assert (record.children, record.inside, record.lots) == (sums.children, sums.inside, sums.lots), name
        assert record.levels >= sums.depth


@given(draws)
def test_custody_passes_only_by_the_rows_that_say_so_and_links_name_who_holds_it_then(
    history: list[Draw],
) -> None:
    player = Player()
    for draw in history:
        before = situations(player)
        _, _, execution = player.play(draw)
        if execution.receipts[0].refusal:
            assert situations(player) == before
            continue
        after, outcomes = situations(player), outcomes_of(player)
        for name in THINGS:
            was, now = before[name].custodian, after[name].custodian
            if was != now:
                said = {outcomes.get(key) for key in (*before[name].line, *after[name].line)}
                held_by_member = was is not None and not was.startswith(EXTERNAL)
                assert said & (PASSING | UNMAKING if held_by_member else FROM_NOBODY), (name, was, now)
        for new in player.rows[-1].changes.links:
            if new.key.space == Space.THING:
                assert new.link.custodian == situation(player.view, new.key).custodian


@example([(0,) * 7] * 8 + [(28, 0, 3, 0, 0, 0, 1), (25, 0, 0, 0, 3, 0, 1)])  # held before anybody had made it
@given(draws)
def test_nothing_held_moves_without_its_authority_or_a_permit(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        before = situations(player)
        signer, item, execution = player.play(draw)
        after = situations(player)
        for name, was in before.items():
            others = [authority for authority in holding_authorities(was) if authority != signer]
            if not others or execution.receipts[0].refusal:
                continue
            now = after[name]
            if (was.custodian, was.ancestors and was.parent, was.own.status) == (
                now.custodian, now.ancestors and now.parent, now.own.status,
            ):  # fmt: skip
                continue
            if was.custodian == now.custodian and item.statement.action == Action.ACCEPT:
                continue  # missing from a container that moved under permits: stays where it was held
            if was.custodian is None and item.statement.action == Action.MAKE:
                continue  # row 2 gives what nobody held to its maker, and is none of the rows that a hold stops (23)
            used = [
                (old.used, new.used)
                for level, at in zip(
                    was.line, (was.own, *(record for _, record in was.ancestors)), strict=True
                )
                for old, new in zip(at.permits, player.record(level).permits, strict=False)
                if old.authority in others
            ]
            assert any(new == old + 1 for old, new in used), (name, signer, item.statement.action)


@given(draws)
def test_attested_quantity_comes_only_from_who_may_attest_it(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        before = {name: attested(player, name) for name in LOTS}
        signer, item, _ = player.play(draw)
        for name in LOTS:
            grows = attested(player, name) - before[name]
            stated = {s.identifier: s for s in item.subjects}.get(name)
            makes = (
                item.statement.action == Action.MAKE
                and signer == MAKER
                and stated is not None
                and stated.role == Role.OBJECT
            )
            makes = makes or (item.statement.action == Action.TRANSFORM and signer == MAKER)
            assert grows <= 0 or makes


def attested(player: Player, name: str) -> int:
    return sum(
        record.quantity.attested
        for key, record in player.every()
        if key.space == Space.BALANCE and key.identifier == name and record.quantity is not None
    )


@given(draws)
def test_every_balance_is_a_quantity_and_every_movement_has_two_sides(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        before = {key: total(record) for key, record in player.every() if key.space == Space.BALANCE}
        _, item, _ = player.play(draw)
        after = {key: total(record) for key, record in player.every() if key.space == Space.BALANCE}
        assert all(amount >= 0 for amount in after.values())
        if item.statement.action == Action.UNPACK_ALL:
            assert sum(after.values()) == sum(before.values())


def total(record: Record) -> int:
    return 0 if record.quantity is None else record.quantity.attested + record.quantity.unattested


@given(draws)
def test_the_order_of_subjects_is_of_no_consequence_and_undoing_leaves_nothing(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        signer, item = player.event_of(draw)
        root, every = player.state.tree.root, dict(player.every())
        _, forward = player.probe(signer, item)
        _, backward = player.probe(signer, item._replace(subjects=item.subjects[::-1]))
        assert forward == backward
        assert (player.state.tree.root, dict(player.every())) == (root, every)
        player.commit(player.sign(signer, item))


@given(draws)
def test_no_decision_depends_on_a_sibling(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        signer, item = player.event_of(draw)
        whole, records = player.probe(signer, item)
        outcomes = dict(whole.rows[0].outcomes) if whole.rows else {}
        custodians = {new.key: new.link.custodian for row in whole.rows for new in row.links}
        for subject in item.subjects if whole.rows else ():
            key = thing(subject.identifier)
            if key not in outcomes:
                continue
            line = situation(player.view, key).line
            restored = player.record(key).last
            if restored is not None and restored.parent is not None:
                line += situation(player.view, thing(restored.parent)).line
            kept = tuple(
                other
                for other in item.subjects
                if other == subject
                or other.role in (Role.PARENT, Role.DOCUMENT, Role.LOT)
                or thing(other.identifier) in line
            )
            alone, found = player.probe(signer, item._replace(subjects=kept))
            assert alone.rows[0].outcomes
            assert dict(alone.rows[0].outcomes)[key] == outcomes[key]
            if key in records and key in found:
                assert without_sums(found[key]) == without_sums(records[key])
            linked = {new.key: new.link.custodian for row in alone.rows for new in row.links}
            assert linked.get(key) == custodians.get(key)
        player.commit(player.sign(signer, item))


def without_sums(record: Record) -> Record:
    links = record.links
    return record._replace(children=0, levels=0, inside=(), lots=(), links=links)


@given(draws)
def test_the_same_blocks_give_the_same_roots(history: list[Draw]) -> None:
    player = Player()
    played = []
    for draw in history:
        signer, item = player.event_of(draw)
        played.append(player.sign(signer, item))
        player.commit(played[-1])
    again = Player()
    for transaction, execution in zip(played, player.executions[1:], strict=True):
        assert again.commit(transaction).outcome == execution.outcome
    assert again.state.tree.root == player.state.tree.root


@given(draws)
def test_all_or_nothing_leaves_nothing_when_one_item_is_refused(history: list[Draw]) -> None:
    player = Player()
    for draw in history[:-1]:
        player.play(draw)
    signer, item = player.event_of(history[-1])
    refused = player.item(Action.HOLD, [(Role.OBJECT, THINGS[0])], measure=("1", ""))
    if signer in AUTHORITIES:
        signer = RIVAL
    root = player.state.tree.root
    execution = player.commit(player.sign(signer, item, refused, mode=Mode.ALL_OR_NOTHING))
    codes = {receipt.refusal for receipt in execution.receipts}
    assert Code.NOT_ENTITLED in codes
    assert (player.state.tree.root, execution.rows, execution.records) == (root, (), {})


@given(draws)
def test_an_aside_changes_nothing_but_its_own_count(history: list[Draw]) -> None:
    player = Player()
    for draw in history:
        signer, item = player.event_of(draw)
        before = {key: bare(record) for key, record in player.every()}
        execution = player.commit(player.sign(signer, item))
        for row in execution.rows:
            for new in row.links:
                if new.aside:
                    now = bare(player.record(new.key))
                    was = before.get(new.key, now)
                    sums = {name: getattr(now, name) for name in ("children", "levels", "inside", "lots")}
                    assert now == was._replace(asides=now.asides, **sums)
