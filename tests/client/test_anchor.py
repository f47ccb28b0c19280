"""A folder of trust only grows, and keeps the proof that a quorum lied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client.anchor import (
    AnchorFolder,
    anchor_from_bytes,
    anchor_to_bytes,
    identity,
    load_anchor,
    shown_in,
)
from client.cli.audit import _trusted
from client.directory import load_directory
from client.verify import verify_file
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, ProofError, StorageError
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.votes import finalise
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verdict import Word
from tests.client.ledger_files import ITEM, Ledger
from tests.world.epochs import ChangingWorld
from tests.world.world import World


def fork_of(world: World, height: int, *, outcome_only: bool = False) -> Checkpoint:
    """What a lying quorum might sign at a height beside the truth."""
    known = world.checkpoints[height - 1]
    header = known.header if outcome_only else known.header._replace(time_ms=known.header.time_ms + 1)
    outcome = known.outcome._replace(header_hash=header.hash, state_root=bytes(32))
    claim = finalise(0, height, header.hash, outcome.hash_in(world.network))
    message = claim.signing_message(world.network)
    signatures = {place: key.sign(message) for place, key in enumerate(world.validator_keys)}
    return Checkpoint(header, outcome, make_certificate(world.validators, claim, signatures))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path, ledger: Ledger) -> AnchorFolder:
    """A folder begun with the genesis."""
    made = AnchorFolder(tmp_path / "anchor")
    assert made.begin(ledger.world.genesis.to_bytes()).is_new
    return made


def test_a_genesis_begins_a_folder_once(folder: AnchorFolder, ledger: Ledger) -> None:
    assert not folder.begin(ledger.world.genesis.to_bytes()).is_new
    assert load_anchor(folder.path).anchor == anchor_from_genesis(ledger.world.genesis)
    with pytest.raises(ProofError, match="keep another folder"):
        folder.begin(World(name="other").genesis.to_bytes())


def test_checkpoints_are_pinned_upwards_only(folder: AnchorFolder, ledger: Ledger) -> None:
    first, last = ledger.world.checkpoints[1], ledger.world.checkpoints[-1]
    assert folder.pin(first).is_new
    assert folder.pin(last).is_new
    before = snapshot(folder.path)
    for known in (first, last, ledger.world.checkpoints[0]):
        added = folder.pin(known)
        assert not added.is_new
        assert added.anchor.height == last.header.height
    assert snapshot(folder.path) == before
    assert folder.heights() == (first.header.height, last.header.height)


def test_a_bundle_brings_its_checkpoint(folder: AnchorFolder, ledger: Ledger) -> None:
    added = folder.pin(*shown_in(ledger.bundle(ITEM)))
    assert added.anchor.height == ledger.world.checkpoints[-1].header.height
    assert shown_in(encode(ledger.world.checkpoints[-1])) == (ledger.world.checkpoints[-1], ())


@pytest.mark.parametrize("outcome_only", [False, True])
def test_a_fork_is_kept_as_evidence_and_said_from_then_on(
    folder: AnchorFolder, ledger: Ledger, outcome_only: bool
) -> None:
    world = ledger.world
    folder.pin(world.checkpoints[-1])
    before = snapshot(folder.path)
    fork = fork_of(world, world.checkpoints[-1].header.height, outcome_only=outcome_only)
    assert identity(fork) != identity(world.checkpoints[-1])
    for _ in range(2):
        with pytest.raises(ProofError, match=r"the ledger forked.*; the proof is kept in"):
            folder.pin(fork)
    (evidence,) = folder.evidence()
    assert shown_in(evidence.read_bytes()) == (fork, ())
    assert {name: data for name, data in snapshot(folder.path).items() if "evidence" not in name} == before
    assert load_anchor(folder.path).evidence == (evidence,)


def test_a_bundle_on_the_losing_side_of_a_pinned_block_is_not_proven(
    folder: AnchorFolder, ledger: Ledger, tmp_path: Path
) -> None:
    world = ledger.world
    folder.pin(fork_of(world, world.checkpoints[-1].header.height, outcome_only=True))
    bundle = tmp_path / "bundle.custody"
    bundle.write_bytes(ledger.bundle(ITEM))
    verdict = verify_file(bundle, folder.path, now_ms=world.now_ms).verdict
    assert verdict.status is Word.NOT_PROVEN
    assert verdict.exit_code == 1
    assert "forked" in verdict.headline


def test_what_no_quorum_signed_is_neither_pinned_nor_evidence(folder: AnchorFolder, ledger: Ledger) -> None:
    world = ledger.world
    checkpoint = world.checkpoints[-1]
    forged = fork_of(world, checkpoint.header.height)
    before = snapshot(folder.path)
    for bad in (
        forged._replace(certificate=checkpoint.certificate),
        checkpoint._replace(header=checkpoint.header._replace(height=99)),
        checkpoint._replace(certificate=checkpoint.certificate._replace(signatures=bytes(64 * 3))),
        forged._replace(header=forged.header._replace(network=bytes(32))),
    ):
        with pytest.raises(ProofError):
            folder.pin(bad)
    assert snapshot(folder.path) == before


def test_an_exported_anchor_stands_for_the_folder(
    folder: AnchorFolder, ledger: Ledger, tmp_path: Path
) -> None:
    folder.pin(ledger.world.checkpoints[-1])
    anchor = load_anchor(folder.path).anchor
    exported = anchor_to_bytes(anchor)
    assert anchor_from_bytes(exported) == anchor
    assert len(exported) < 1_000
    other = AnchorFolder(tmp_path / "other")
    assert other.begin(exported).anchor == anchor
    with pytest.raises(ProofError, match="forked"):
        other.pin(fork_of(ledger.world, anchor.height))
    assert load_anchor(other.path).anchor == anchor


def test_an_anchor_altered_in_one_byte_is_another_or_none(ledger: Ledger) -> None:
    anchor = anchor_from_genesis(ledger.world.genesis)
    exported = anchor_to_bytes(anchor)
    for place in range(len(exported)):
        altered = exported[:place] + bytes([exported[place] ^ 1]) + exported[place + 1 :]
        try:
            assert anchor_from_bytes(altered) != anchor
        except CustodyError:
            continue


def test_damage_and_absence_are_said_with_the_file(
    folder: AnchorFolder, ledger: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="expected to read"):
        load_anchor(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="found none") as raised:
        load_anchor(tmp_path / "empty")
    assert raised.value.code is Code.USAGE
    folder.pin(ledger.world.checkpoints[-1])
    (checkpoint,) = (folder.path / "checkpoints").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(StorageError, match=checkpoint.name):
        load_anchor(folder.path)
    broken = tmp_path / "genesis.custody"
    broken.write_bytes(b"\xc0")
    for load in (load_anchor, load_directory):
        with pytest.raises(FormError, match=r"genesis\.custody"):
            load(broken)


def test_a_directory_knows_members_by_their_parties(
    folder: AnchorFolder, ledger: Ledger, tmp_path: Path
) -> None:
    world = ledger.world
    directory = load_directory(folder.path)
    assert directory.network == world.network
    assert directory.members() == tuple(sorted(world.organisations))
    assert directory.party("forwarder").text == world.party_of("forwarder")
    assert directory.name_of(world.party_of("carrier")) == "carrier"
    assert directory.name_of("https://id.gs1.org/417/9521200009996") is None
    assert directory.party("9521200000016").text == "https://id.gs1.org/417/9521200000016"
    with pytest.raises(FormError, match=r"expected a member \(carrier, customs"):
        directory.party("stranger")
    exported = tmp_path / "small.custody"
    exported.write_bytes(anchor_to_bytes(anchor_from_genesis(world.genesis)))
    small = load_directory(exported)
    assert small.network == world.network
    assert small.members() == ()


# --- across changes of validators


@pytest.fixture(scope="module")
def changing() -> ChangingWorld:
    return ChangingWorld(3)


@pytest.fixture
def begun(tmp_path: Path, changing: ChangingWorld) -> AnchorFolder:
    made = AnchorFolder(tmp_path / "anchor")
    made.begin(changing.genesis.to_bytes())
    return made


def test_a_bundle_brings_the_closings_that_lead_to_it(begun: AnchorFolder, changing: ChangingWorld) -> None:
    added = begun.pin(*shown_in(changing.bundles[2]))
    assert (added.is_new, added.anchor.epoch, added.anchor) == (True, 2, changing.anchors[2])
    assert begun.closings() == tuple(changing.closings[:2])
    assert begun.pin(*shown_in(changing.prove())).anchor.epoch == 3
    assert [closing.epoch for closing in begun.closings()] == [0, 1, 2]
    assert begun.anchor() == load_anchor(begun.path).anchor
    before = snapshot(begun.path)
    for data in (*changing.bundles, changing.prove()):
        assert not begun.pin(*shown_in(data)).is_new
    assert snapshot(begun.path) == before


def test_a_checkpoint_of_a_later_epoch_needs_its_closings(
    begun: AnchorFolder, changing: ChangingWorld
) -> None:
    before = snapshot(begun.path)
    with pytest.raises(ProofError) as refused:
        begun.pin(changing.checkpoints[-1])
    assert refused.value.code == Code.INCOMPLETE
    assert snapshot(begun.path) == before
    begun.pin(*shown_in(changing.bundles[2]))
    begun.pin(*shown_in(changing.prove(2)))
    assert begun.anchor().epoch == 3


def test_the_end_of_an_epoch_is_known_before_what_follows_it(
    begun: AnchorFolder, changing: ChangingWorld
) -> None:
    first = changing.closings[0].checkpoint
    anchor = begun.pin(first).anchor
    assert (anchor.epoch, anchor.height) == (0, first.header.height)
    assert anchor.epochs[0].last is not None
    thief = ChangingWorld(0)
    thief.commit()
    thief.commit()
    with pytest.raises(ProofError, match="expected epoch 0 to end with block 3"):
        begun.pin(thief.checkpoints[-1])
    assert begun.pin(*shown_in(changing.prove())).anchor.epoch == 3


def test_an_exported_anchor_knows_every_epoch(
    begun: AnchorFolder, changing: ChangingWorld, tmp_path: Path
) -> None:
    begun.pin(*shown_in(changing.prove()))
    anchor = begun.anchor()
    data = anchor_to_bytes(anchor)
    assert anchor_from_bytes(data) == anchor
    other = AnchorFolder(tmp_path / "other")
    other.begin(data)
    assert load_anchor(other.path).anchor == anchor
    assert not other.pin(*shown_in(changing.bundles[1])).is_new


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: (*fields[:5], (), *fields[6:]),
        lambda fields: (*fields[:5], fields[5][::-1], *fields[6:]),
        lambda fields: (*fields[:5], ((fields[5][0][0], None), *fields[5][1:]), *fields[6:]),
        lambda fields: fields[:-1],
        lambda fields: (fields[0], 1, *fields[2:]),
        lambda fields: fields[:1],
        lambda fields: (*fields[:5], ((fields[5][0][0][::-1], fields[5][0][1]), *fields[5][1:]), *fields[6:]),
    ],
)
def test_an_anchor_file_of_another_form_is_refused(
    spoil: Callable[[Any], Any], changing: ChangingWorld
) -> None:
    fields = decode(anchor_to_bytes(changing.anchors[2]), max_bytes=100_000)
    with pytest.raises(FormError):
        anchor_from_bytes(encode(spoil(fields)))


def test_leaked_keys_of_a_former_set_leave_evidence_and_nothing_else(
    begun: AnchorFolder, changing: ChangingWorld, tmp_path: Path
) -> None:
    begun.pin(*shown_in(changing.prove()))
    before = snapshot(begun.path)
    for epoch in range(3):
        forged = ChangingWorld(epoch, thief_from=epoch + 1)
        forged.close_epoch()
        forged.play_epoch()
        second_closing = forged.prove()
        extended = ChangingWorld(epoch)
        extended.commit()
        for data, evidence in (
            (second_closing, forged.closings[-1].checkpoint),
            (extended.prove(), extended.checkpoints[-1]),
        ):
            with pytest.raises(ProofError, match="the proof is kept in"):
                begun.pin(*shown_in(data))
            kept = [shown_in(file.read_bytes())[0] for file in begun.evidence()]
            assert evidence in kept
            file = tmp_path / "forged.custody"
            file.write_bytes(data)
            verdict = verify_file(file, begun.path, now_ms=changing.now_ms).verdict
            assert verdict.status is Word.NOT_PROVEN
            assert "keys of validators leaked" in verdict.headline
            assert "custody anchor add" in verdict.headline
    assert len(begun.evidence()) == 6
    assert {name: data for name, data in snapshot(begun.path).items() if "evidence" not in name} == before


def test_damaged_closings_are_said_and_never_skipped(begun: AnchorFolder, changing: ChangingWorld) -> None:
    begun.pin(*shown_in(changing.prove()))
    (first, second, _) = sorted((begun.path / "closings").iterdir())
    kept = first.read_bytes()
    first.write_bytes(kept[:-1])
    with pytest.raises(StorageError, match=first.name):
        load_anchor(begun.path)
    first.write_bytes(second.read_bytes())
    with pytest.raises(ProofError):
        load_anchor(begun.path)
    first.unlink()
    with pytest.raises(ProofError):
        load_anchor(begun.path)


def test_an_audit_compares_the_ends_of_epochs_too(
    begun: AnchorFolder, changing: ChangingWorld, tmp_path: Path
) -> None:
    begun.pin(*shown_in(changing.prove()))
    exported = tmp_path / "exported.custody"
    exported.write_bytes(anchor_to_bytes(begun.anchor()))
    for anchor in (begun.path, exported):
        _, known = _trusted(anchor)
        ends = {one.checkpoint.header.height: one.checkpoint.header.hash for one in changing.closings}
        last = changing.checkpoints[-1].header
        assert known == {**ends, last.height: last.hash}
