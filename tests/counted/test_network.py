"""What a batch of 100 events costs four validators, from the private socket of one to final on all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.local.protocol import State
from node.validator.frames import BATCH_FRAME, CONSENSUS_FRAME
from tests.counted.four import FIRST, Four, four
from tests.counted.hashes import TAKEN_IN

EVENTS = range(100, 200)
SOON_US = 50_000
"""Before any time-out: nothing but the batch itself is looked at."""


@pytest.fixture
def network() -> Iterator[Four]:
    with four() as made:
        yield made


def test_what_admission_costs_the_node_it_is_handed_in_at(network: Four) -> None:
    network.hold_back(network.world.nodes[1])
    submission = network.line.submission(EVENTS)
    network.clear()  # making it was the client's work
    network.submit(submission)
    network.settle(SOON_US)
    counts = network.counts
    assert network.checks() == (1, 0)  # its author's, once
    assert counts.hashed() == {
        "Merkle leaf": 200,  # of each item: its subject, and its place in the payload root
        "Merkle node": 99,  # of the payload root
        "batch": 1,
        "event": 100,  # the bytes against the hash that the item names
        "item": 100,
        "statement": 1,  # all say the same
        "subject leaf": 100,
        "subject salt": 100,
        "transaction": 2,  # once ahead of all else: it is large, and may be a stranger's
    }
    # Per item: event, statement, subject, item. Per transaction: header (twice), canonical form, batch, frame. What the payload
    # store keeps of them it encodes together, when it is synced.
    assert counts.encodings == 407
    assert counts.decodings == 2  # the request, with the bytes of events in it, and the transaction


def test_what_a_batch_of_a_peer_costs(network: Four) -> None:
    network.hold_back(network.world.nodes[1])
    network.hold_back(network.world.nodes[3])
    network.submit(network.line.submission(EVENTS))
    network.settle(SOON_US)
    body = network.kept[0]
    network.clear()
    network.bring(body, sender=1, receiver=3)
    network.settle(SOON_US)
    counts = network.counts
    assert network.checks() == (1, 0)  # its author's, once
    assert counts.hashed() == TAKEN_IN
    assert counts.encodings == 404  # the same four an item
    assert counts.decodings == 3  # the frame, the batch, the transaction


def test_what_a_block_costs_in_signatures_frames_and_syncs(network: Four) -> None:
    submission = network.line.submission(EVENTS)
    network.clear()
    network.submit(submission)
    network.settle()
    counts = network.counts
    authors, validators = network.checks()
    assert authors == 4  # one transaction, once a node
    # Three verify the proposal; all four two votes of others to notarise, two to finalise: a quorum, their own with it.
    assert validators == 3 + 4 * 2 + 4 * 2
    assert counts.signatures == 1 + 4 + 4  # the proposal, and of each a vote to notarise and one to finalise
    assert network.frames == {
        BATCH_FRAME: 3,
        # The proposal to 3; of each of 4 to 3: notarise, finalise; what is left are certificates passed on.
        CONSENSUS_FRAME: 33,
    }
    assert counts.decodings == 53
    # Batches, bytes of events and votes stand in one folder each: before either vote, and for nothing that others signed.
    assert set(network.world.oracles.heights.values()) == {2}, "one block more"
    assert [status.state for status in network.answers()] == [State.FINAL] * 2
    assert dict(network.syncs) == {"votes": 8, "payload": 4, "chain": 8}


def test_how_many_bytes_go_over_the_wire(network: Four) -> None:
    submission = network.line.submission(EVENTS)
    sizes = len(submission.transaction), sum(len(shown.event) for shown in submission.payloads)
    assert sizes == (26_710, 62_300)  # 267 of the item and 623 of the event's own bytes an event
    network.clear()
    network.submit(submission)
    network.settle()
    # To each of three peers: the transaction, the events with salts of 16 bytes, 4 bytes of framing an event.
    assert network.sent[BATCH_FRAME] == 3 * 91_333
    assert network.sent[CONSENSUS_FRAME] == 5_358


def test_how_many_bytes_a_node_stores(network: Four) -> None:
    network.write()
    tables, files = network.tables(), network.files()
    network.submit(network.line.submission(EVENTS))
    network.settle()
    network.write()
    rows = {
        name: (count - tables[name][0], size - tables[name][1])
        for name, (count, size) in network.tables().items()
    }
    assert rows == {
        "authors": (100, 1_300),
        "batches": (1, 42),
        "buckets": (55, 1_980),  # 36 each; those that other records are in already have theirs
        "headers": (1, 157),
        "links": (100, 3_272),
        "meta": (0, 1),
        "records": (100, 14_713),
        "remembered": (1, 41),
        "rows": (0, 5_776),  # chunks of 240, packed; the one begun was written again
        "transactions": (1, 448),
    }
    grown = {folder: size - files[folder] for folder, size in network.files().items()}
    assert (
        grown
        == {
            "chain": 33_592,  # the transactions twice, before and after they are final (then packed), headers and votes
            "keys": 0,
            "payload": 10_456,  # the events with their salts and hashes, packed together
            "votes": 1_056,
        }
    )


def test_a_record_that_is_not_remembered_is_decoded_once(network: Four) -> None:
    def observe() -> int:
        submission = network.line.submission(FIRST, is_first=False)
        network.clear()
        network.submit(submission)
        network.settle()
        return network.counts.decodings

    remembered = observe()
    network.write()  # or it would be executed again, and remembered, after the start
    again = network.world.nodes[3]
    again.crash(power=False)
    again.start()
    network.settle()
    assert again.is_up
    assert observe() - remembered == len(FIRST)
    assert len(network.answers()) == 3
