"""A snapshot proves the state of its checkpoint and the history below: everything that was, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import CustodyError, ProofError
from ledger.base.keys import SigningKey
from ledger.base.limits import EXPIRY_AHEAD_MS
from ledger.chain.closing import Closing
from ledger.members.constitution import ChangeKind
from ledger.state import backfill, snapshot
from ledger.state.backfill import check_entries, check_item, check_links, is_episode
from ledger.state.snapshot import (
    check_manifest,
    check_registry_part,
    check_state_part,
    check_window_cut,
    check_window_part,
    first_anchor,
    parse_manifest,
    remembered_ids,
)
from ledger.trade.record import Space, SubjectKey, record_from_wire, state_key
from ledger.trade.statement import Action, Role
from tests.proof.histories import history
from tests.world.council import Council, add
from tests.world.snapshots import Taken, plain
from tests.world.world import World, seed, serial


@pytest.fixture(scope="module")
def taken() -> Taken:
    return Taken(history(5, 150), windows=3)


def test_every_part_is_proven_by_the_checkpoint(taken: Taken) -> None:
    manifest = parse_manifest(taken.manifest.to_bytes())
    assert manifest == taken.manifest
    check_manifest(manifest, taken.depth, taken.world.validators)
    found: dict[bytes, bytes] = {}
    for index, part in enumerate(taken.state_parts):
        found.update(check_state_part(taken.network, taken.depth, manifest, index, part))
    assert found == taken.records
    registry, _ = check_registry_part(taken.world.genesis, manifest, taken.registry)
    assert registry.root == taken.world.state.registry.root
    window, now_ms = taken.window(), manifest.checkpoint.header.time_ms
    assert snapshot.is_window_whole(window[-1].block.header, manifest.checkpoint.header)
    remembered = dict(remembered_ids(window, registry, taken.world.state.sets, now_ms))
    assert remembered == taken.world.state.remembered
    assert remembered


def test_a_large_state_is_cut_into_parts_that_are_proven_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_RECORDS_PER_PART", 4)
    monkeypatch.setattr(limits, "SNAPSHOT_LOG_BITS", 3)
    cut = Taken(history(6, 80))
    assert len(cut.state_parts) == 64
    parts = snapshot.log_parts(cut.world.state.log.size)
    assert len(cut.manifest.log) == parts > 5
    check_manifest(cut.manifest, cut.depth, cut.world.validators)
    for index, part in enumerate(cut.state_parts):
        check_state_part(cut.network, cut.depth, cut.manifest, index, part)
        other = next(at for at, pairs in enumerate(cut.state) if pairs != cut.state[index])
        with pytest.raises(ProofError):
            check_state_part(cut.network, cut.depth, cut.manifest, other, part)
    for index in range(parts):
        check_entries(cut.network, cut.manifest, index, cut.entries(index))
        with pytest.raises(ProofError):
            check_entries(cut.network, cut.manifest, (index + 1) % parts, cut.entries(index))


def test_ids_of_transactions_that_were_refused_as_a_whole_are_not_remembered() -> None:
    world = World()
    stranger = SigningKey(seed("a stranger"))
    items = [world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, n))]) for n in range(4)]
    fine, late = world.sign("maker", items[0]), world.sign("maker", items[1], expiry_ms=world.now_ms + 500)
    far = world.sign("maker", items[2], expiry_ms=world.now_ms + EXPIRY_AHEAD_MS + 5_000)
    unknown = world.sign("maker", items[3], key=stranger)
    world.commit(fine, late, far, unknown, fine)
    world.commit(far)  # refused again: still too far ahead
    made = Taken(world)
    registry, _ = check_registry_part(world.genesis, made.manifest, made.registry)
    now_ms = made.manifest.checkpoint.header.time_ms
    found = dict(remembered_ids(made.window(), registry, world.state.sets, now_ms))
    assert found == world.state.remembered == {fine.id: fine.header.expiry_ms}


def test_a_snapshot_of_a_later_epoch_leads_there_from_genesis() -> None:
    names = ("maker", "forwarder", "carrier", "customs", "rival")
    world = World(names)
    first = world.validators
    for number, organisations in enumerate((names, names[1:], names[:4])):
        world.do("maker", Action.MAKE, [(Role.OBJECT, serial("9521234", 1, number))])
        world.close_epoch(organisations)
    world.do("maker", Action.MAKE, [(Role.OBJECT, serial("9521234", 1, 9))])
    made = Taken(world, windows=2)
    sets = check_manifest(made.manifest, made.depth, first)
    assert sets == world.state.sets
    registry, changes = check_registry_part(world.genesis, made.manifest, made.registry)
    assert registry.root == world.state.registry.root != world.genesis.registry().root
    assert [change.epoch for _, change in changes] == [0, 1, 2]
    now_ms = made.manifest.checkpoint.header.time_ms
    assert dict(remembered_ids(made.window(), registry, sets, now_ms)) == world.state.remembered
    for row in world.rows:
        related = tuple((leaf.role, leaf.key, leaf.record_hash) for leaf in row.changes.related)
        assert check_item(made.network, row.changes.entry, *plain((row.changes.item, related)))[1] == related
    fewer = made.manifest._replace(closings=made.manifest.closings[1:])
    with pytest.raises(ProofError):
        check_manifest(fewer, made.depth, first)
    for wrong in (changes[1:], changes[::-1], ((changes[0][0] + 1, changes[0][1]), *changes[1:])):
        with pytest.raises(ProofError):
            check_registry_part(world.genesis, made.manifest, snapshot.registry_part(registry, wrong))


def test_the_registry_of_a_snapshot_holds_what_votes_set_and_binds_what_closed_each_epoch() -> None:
    council = Council()
    world = council.world
    council.pass_(add())
    world.close_epoch(parameters=[("heartbeat_ms", 5_000)])
    council.pass_((int(ChangeKind.EMERGENCY), "carrier"), ("maker", "forwarder"))
    refused = world.sign("carrier", world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, 1))]))
    assert world.commit(refused).receipts[0].refusal == "suspended"
    made = Taken(world)
    registry, changes = check_registry_part(world.genesis, made.manifest, made.registry)
    assert registry.entries == world.state.registry.entries
    now_ms = made.manifest.checkpoint.header.time_ms
    assert dict(remembered_ids(made.window(), registry, world.state.sets, now_ms)) == world.state.remembered
    assert refused.id not in world.state.remembered
    height, change = changes[0]
    pins = change._replace(seats=tuple(seat._replace(tls_pin=bytes(32)) for seat in change.seats))
    for wrong in (pins, change._replace(parameters=()), change._replace(parameters=(("heartbeat_ms", 1),))):
        with pytest.raises(ProofError):
            check_registry_part(
                world.genesis, made.manifest, snapshot.registry_part(registry, ((height, wrong),))
            )


# ---- what does not hold


def flips(data: bytes) -> list[bytes]:
    """Every single bit flipped, and a byte less or more."""
    changed = [
        data[: bit >> 3] + bytes((data[bit >> 3] ^ 1 << (bit & 7),)) + data[(bit >> 3) + 1 :]
        for bit in range(8 * len(data))
    ]
    return [*changed, data[:-1], data + b"\0", b""]


def test_no_flipped_bit_of_any_part_is_taken() -> None:
    world = World()
    world.do("maker", Action.MAKE, [(Role.OBJECT, serial("9521234", 1, 1))])
    made = Taken(world, windows=1)
    checks: list[tuple[bytes, Any]] = [
        (
            made.state_parts[0],
            lambda data: check_state_part(made.network, made.depth, made.manifest, 0, data),
        ),
        (
            made.window_parts[0],
            lambda data: check_window_part(made.manifest, first_anchor(made.manifest), data),
        ),
        (
            made.manifest.to_bytes()[:-1],
            lambda data: check_manifest(parse_manifest(data + b"\1"), made.depth, world.validators),
        ),
    ]
    for data, check in checks:
        check(data)
        for changed in flips(data):
            with pytest.raises(CustodyError):
                check(changed)
    for changed in flips(made.registry)[::7]:
        with pytest.raises(ProofError):
            check_registry_part(world.genesis, made.manifest, changed)


def test_a_record_left_out_added_or_of_another_height_is_refused(taken: Taken) -> None:
    pairs = taken.state[0]
    older = Taken(history(5, 149))
    key, data = next((k, d) for k, d in older.records.items() if taken.records[k] != d)
    wrong = (
        pairs[1:],
        pairs[::-1],
        (*pairs, (b"\xff" * 32, pairs[0][1])),
        (pairs[0], *pairs),
        tuple((k, data if k == key else d) for k, d in pairs),
    )
    for records in wrong:
        with pytest.raises(ProofError):
            check_state_part(taken.network, taken.depth, taken.manifest, 0, snapshot.state_part(records))
    with pytest.raises(ProofError):
        check_state_part(taken.network, taken.depth, taken.manifest, 0, older.state_parts[0])


def test_a_window_that_leaves_a_block_or_a_transaction_out_is_refused(taken: Taken) -> None:
    anchor = first_anchor(taken.manifest)
    blocks, following = check_window_part(taken.manifest, anchor, taken.window_parts[0])
    assert following != anchor
    with pytest.raises(ProofError):
        check_window_part(taken.manifest, anchor, taken.window_parts[1])
    hidden = blocks[0]._replace(transactions=None)
    fewer = next(at for at, block in enumerate(blocks) if block.transactions)
    short = blocks[fewer]._replace(transactions=(blocks[fewer].transactions or ())[1:])
    for wrong in (blocks[1:], (hidden, *blocks[1:]), (blocks[0], *blocks[2:]), (*blocks[:fewer], short), ()):
        with pytest.raises(ProofError):
            check_window_part(taken.manifest, anchor, snapshot.window_part(wrong))


def test_a_window_is_cut_where_it_reaches_its_size_or_the_end_and_nowhere_else(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = taken.manifest.checkpoint.header
    blocks = [
        one if snapshot.may_matter(one.block.header, header.time_ms) else one._replace(transactions=None)
        for one in taken.window()
        if one.block.header.height == 1 or not snapshot.is_window_whole(one.block.header, header)
    ]
    monkeypatch.setattr(limits, "SNAPSHOT_WINDOW_BYTES", sum(map(snapshot.window_size, blocks[:3])))
    assert not check_window_cut(blocks[:3], header)
    for wrong in (blocks[:1], blocks[:2], blocks[:4]):
        with pytest.raises(ProofError):
            check_window_cut(wrong, header)
    assert check_window_cut(blocks[-1:], header)
    shown = blocks[0]._replace(transactions=taken.window()[0].transactions)
    late = header._replace(time_ms=header.time_ms + limits.EXPIRY_AHEAD_MS)
    assert snapshot.may_matter(shown.block.header, header.time_ms)
    with pytest.raises(ProofError, match="no transactions"):
        check_window_cut((shown, *blocks[1:3]), late)


def test_a_manifest_of_nodes_that_are_not_under_the_roots_is_refused(taken: Taken) -> None:
    manifest = taken.manifest
    zero = bytes(32)
    for wrong in (
        manifest._replace(state=(zero, *manifest.state[1:])),
        manifest._replace(state=manifest.state * 4),
        manifest._replace(log=(zero, *manifest.log[1:])),
        manifest._replace(log=manifest.log[:-1]),
        manifest._replace(peaks=(zero, *manifest.peaks[1:])),
        manifest._replace(closings=(Closing(taken.world.checkpoints[-2], ()),)),
        manifest._replace(checkpoint=taken.world.checkpoints[-2]),
    ):
        with pytest.raises(ProofError):
            check_manifest(wrong, taken.depth, taken.world.validators)


# ---- the history below


def test_every_entry_item_and_link_is_proven(taken: Taken) -> None:
    world, network = taken.world, taken.network
    for index in range(len(taken.manifest.log)):
        check_entries(network, taken.manifest, index, taken.entries(index))
    for row in world.rows:
        related = tuple((leaf.role, leaf.key, leaf.record_hash) for leaf in row.changes.related)
        item, found = check_item(network, row.changes.entry, *plain((row.changes.item, related)))
        assert (item, found) == (row.changes.item, related)
    episodes = 0
    for key in taken.keys:
        record, shown = world.record(key), taken.links_of(key)
        state = state_key(network, key)
        if key.space == Space.EPISODE:
            moving = world.rows[record.moved].changes.item
            assert moving is not None
            assert is_episode(network, state, record, [subject.identifier for subject in moving.subjects])
            episodes += 1
            continue
        check_links(network, state, record, shown, taken.hash_of_entry)
        assert backfill.links_from_wire(plain(shown.links)) == shown.links
        assert not is_episode(network, state, record, [key.identifier])
    assert episodes


def test_entries_left_out_exchanged_or_told_otherwise_are_refused(taken: Taken) -> None:
    entries = taken.entries(0)
    first: Any = entries[0]
    for wrong in (
        entries[:-1],
        (*entries, entries[-1]),
        (entries[1], entries[0], *entries[2:]),
        ((*first[:6], "somebody", *first[7:]), *entries[1:]),
        ((*first[:5], first[5] + 1, *first[6:]), *entries[1:]),
    ):
        with pytest.raises(ProofError):
            check_entries(taken.network, taken.manifest, 0, wrong)


def test_links_left_out_added_reordered_or_told_otherwise_are_refused(taken: Taken) -> None:
    tried = 0
    for key in taken.keys:
        if key.space == Space.EPISODE:
            continue
        record, shown = taken.world.record(key), taken.links_of(key)
        links = shown.links
        if len(links) < 3 or not any(link.is_move for link in links):
            continue
        tried += 1
        last = links[-1]
        wrong = [
            shown._replace(links=links[:-1]),
            shown._replace(links=links[1:]),
            shown._replace(links=(*links, last)),
            shown._replace(links=(links[1], links[0], *links[2:])),
            shown._replace(links=(*links[:-1], last._replace(code=last.code + 1))),
            shown._replace(links=(*links[:-1], last._replace(custodian="somebody"))),
            shown._replace(links=(*links[:-1], last._replace(is_move=not last.is_move))),
            shown._replace(links=(*links[:-1], last._replace(sequence=last.sequence - 1))),
            shown._replace(links=(*links[:-1], last._replace(sequence=10**9))),
            shown._replace(asides=(*shown.asides, last)),
        ]
        if any(link.legs for link in links):
            wrong.append(shown._replace(links=tuple(link._replace(legs=()) for link in links)))
            wrong.append(shown._replace(owner=SubjectKey(Space.THING, "x")))
        for told in wrong:
            with pytest.raises(ProofError):
                check_links(taken.network, state_key(taken.network, key), record, told, taken.hash_of_entry)
    assert tried > 5


def test_an_item_or_a_related_record_that_is_not_the_entrys_is_refused(taken: Taken) -> None:
    rows = [row.changes for row in taken.world.rows if len(row.changes.related) > 1]
    row, other = rows[0], rows[1]
    related = tuple((leaf.role, leaf.key, leaf.record_hash) for leaf in row.related)
    assert row.item is not None
    statement = row.item.statement
    for wrong_item, wrong_related in (
        (other.item, related),
        (row.item._replace(statement=statement._replace(time_ms=statement.time_ms + 1)), related),
        (None, related),
        (None, ()),
        (row.item, ()),
        (row.item, related[1:]),
        (row.item, related[::-1]),
        (row.item, ((related[0][0], related[0][1], bytes(32)), *related[1:])),
        (row.item, "text"),
    ):
        with pytest.raises(ProofError):
            check_item(taken.network, row.entry, *plain((wrong_item, wrong_related)))


def test_a_record_reads_back_as_what_was_proven(taken: Taken) -> None:
    for key in taken.keys:
        data = taken.records[state_key(taken.network, key)]
        assert record_from_wire(decode(data, max_bytes=len(data))) == taken.world.record(key)
        assert encode(taken.world.record(key)) == data
