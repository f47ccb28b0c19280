"""Missing batches, blocks, certificates and ranges; behind by one block or by a hundred (CONSENSUS 9, 15, 28)."""

from __future__ import annotations

from ledger.base.limits import BATCHES_PER_FETCH, BLOCKS_PER_RANGE
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Claim, Kind, finalise, notarise, nullify
from ledger.consensus import Start
from ledger.consensus.interface import Commit, Drop, Send, Serve
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    FetchRange,
    Range,
)
from tests.consensus.bench import (
    ANCHOR_OUTCOME,
    GENESIS,
    NETWORK,
    Bench,
    commits,
    digest,
    executions,
    messages,
    of_kind,
    outcome_of,
    votes,
)


def ready(*names: str, me: int = 3) -> Bench:
    bench = Bench(me)
    bench.hold(*(names or ("a",)))
    return bench


def asked(bench: Bench, kind: type) -> list[int]:
    """The peers asked something of a kind, in order."""
    return [e.peer for e in bench.effects if isinstance(e, Send) and isinstance(e.message, kind)]


# ---- batches


def test_a_missing_batch_is_asked_of_the_leader_then_of_the_others_in_turn() -> None:
    bench = ready("other")
    bench.propose(1, bench.block(1, names=("a",)))
    bench.wait(160)
    assert asked(bench, FetchBatches) == [0, 1, 2]


def test_what_does_not_come_is_asked_for_ever_more_slowly() -> None:
    bench = Bench(3)
    bench.hear(1, bench.certificate(notarise(0, 1, digest("nobody has it"))))
    bench.wait(60_000)
    first = len(asked(bench, FetchBlocks))
    bench.wait(60_000)
    assert 60_000 // 600 <= first <= 60_000 // 600 + 9
    assert set(asked(bench, FetchBlocks)) == {0, 1, 2}
    assert len(asked(bench, FetchBlocks)) - first == 60_000 // 600


def test_an_announced_batch_is_fetched_from_its_announcer() -> None:
    bench = ready("a")
    effects = bench.hear(2, Announcement((digest("a"), digest("b"))))
    assert [(e.peer, e.message) for e in of_kind(effects, Send)] == [(2, FetchBatches((digest("b"),)))]


def test_an_announcer_that_does_not_answer_keeps_nobody_else_from_being_asked() -> None:
    """Found by simulation: one that withholds a batch announced it always a little earlier than the honest holder."""
    bench = ready("a")
    for _ in range(3):
        bench.hear(1, Announcement((digest("b"),)))
        bench.now_ms += 1
        bench.hear(2, Announcement((digest("b"),)))
        bench.now_ms += 149
    assert set(asked(bench, FetchBatches)) == {1, 2}
    assert asked(bench, FetchBatches).count(1) == 1


def test_announcements_are_taken_once_per_half_t_l_and_split_into_requests() -> None:
    bench = ready("a")
    many = tuple(digest(f"many {index}") for index in range(BATCHES_PER_FETCH + 1))
    effects = bench.hear(1, Announcement(many))
    assert [len(message.digests) for message in messages(effects, FetchBatches)] == [BATCHES_PER_FETCH, 1]
    assert not messages(bench.hear(1, Announcement((digest("more"),))), FetchBatches)


# ---- blocks and certificates


def test_a_notarised_block_that_is_missing_is_fetched_before_its_view_is_left() -> None:
    bench = ready()
    block = bench.block(1)
    effects = bench.hear(2, bench.certificate(notarise(0, 1, block.header.hash)))
    assert bench.machine.view == 1
    assert [(e.peer, e.message) for e in of_kind(effects, Send)] == [(2, FetchBlocks((block.header.hash,)))]
    bench.hear(1, Blocks((block,)))
    assert bench.machine.view == 2


def test_ancestors_are_fetched_too() -> None:
    bench = ready()
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    bench.hear(2, bench.certificate(notarise(0, 2, second.header.hash)))
    effects = bench.hear(2, Blocks((second,)))
    assert messages(effects, FetchBlocks) == [FetchBlocks((first.header.hash,))]
    assert executions(bench.hear(2, Blocks((first,)))) == [first]


def test_blocks_nobody_asked_for_are_not_kept() -> None:
    bench = ready()
    block = bench.block(1)
    bench.hear(2, Blocks((block,)))
    assert bench.machine._tree.get(block.header.hash) is None


def test_blocks_known_here_are_sent_and_others_left_to_the_driver() -> None:
    bench = ready()
    block = bench.block(1)
    bench.propose(1, block)
    effects = bench.hear(2, FetchBlocks((block.header.hash, digest("older"))))
    assert messages(effects, Blocks) == [Blocks((block,))]
    assert of_kind(effects, Serve) == [Serve(2, FetchBlocks((digest("older"),)))]


def test_batches_and_ranges_are_left_to_the_driver() -> None:
    bench = ready()
    for request in (FetchBatches((digest("a"),)), FetchRange(1)):
        assert of_kind(bench.hear(2, request), Serve) == [Serve(2, request)]


def test_certificates_are_served_by_kind_and_view() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.hear(0, bench.certificate(nullify(0, 1)))
    wanted = ((Kind.NOTARISE, 1), (Kind.NULLIFY, 1), (Kind.NULLIFY, 2))
    answers = messages(bench.hear(2, FetchCertificates(0, wanted)), Certificate)
    assert [certificate.claim for certificate in answers] == [
        notarise(0, 1, first.header.hash),
        nullify(0, 1),
    ]
    assert not messages(bench.hear(2, FetchCertificates(1, wanted)), Certificate)


def test_a_finalisation_answers_for_the_views_it_settles_once() -> None:
    bench = ready()
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.finalise_view(1, first)
    wanted = ((Kind.NULLIFY, 1), (Kind.NOTARISE, 1))
    kinds = [c.claim.kind for c in messages(bench.hear(2, FetchCertificates(0, wanted)), Certificate)]
    assert kinds == [Kind.FINALISE, Kind.NOTARISE]


# ---- ranges


class Chain:
    """A chain that others committed: one block and one finalisation a view."""

    def __init__(self, bench: Bench, length: int) -> None:
        self.blocks: list[Block] = []
        self.claims: list[Claim] = []
        self.outcomes: list[bytes] = [ANCHOR_OUTCOME]
        parent = GENESIS
        for view in range(1, length + 1):
            block = bench.block(view, parent, (f"old {view}",))
            self.outcomes.append(outcome_of(block, self.outcomes[-1]).hash_in(NETWORK))
            self.blocks.append(block)
            self.claims.append(finalise(0, view, block.header.hash, self.outcomes[-1]))
            parent = block.header

    def part(self, bench: Bench, start: int, end: int, certified: tuple[int, ...] | None = None) -> Range:
        """Heights start .. end, all certified, or those given and the last."""
        return Range(
            tuple(
                (
                    self.blocks[height - 1],
                    bench.certificate(self.claims[height - 1])
                    if certified is None or height in certified or height == end
                    else None,
                )
                for height in range(start, end + 1)
            )
        )


def run_all(bench: Bench, chain: Chain) -> None:
    """Hold and execute whatever the machine asks for."""
    names = {digest(f"old {height}"): f"old {height}" for height in range(1, len(chain.blocks) + 1)}
    held: set[bytes] = set()
    executed: set[bytes] = set()
    before = -1
    while before != len(bench.effects):
        before = len(bench.effects)
        for wanted in [d for message in messages(bench.effects, FetchBatches) for d in message.digests]:
            if wanted in names and wanted not in held:
                held.add(wanted)
                bench.hold(names[wanted])
        for block in executions(bench.effects):
            if block.header.hash not in executed:
                executed.add(block.header.hash)
                bench.execute(block, chain.outcomes[block.header.height - 1])


def test_a_validator_far_behind_catches_up_by_range_certificate_and_outcome() -> None:
    bench = Bench(3)
    chain = Chain(bench, 100)
    effects = bench.hear(1, bench.certificate(chain.claims[99]))
    assert (bench.machine.view, bench.machine.final_view) == (101, 100)
    assert [(e.peer, e.message) for e in of_kind(effects, Send)] == [(1, FetchRange(1))]
    effects = bench.hear(1, chain.part(bench, 1, 64))
    assert messages(effects, FetchRange) == [FetchRange(65)]
    run_all(bench, chain)
    assert bench.machine.committed_height == 64
    bench.hear(2, chain.part(bench, 60, 100))
    run_all(bench, chain)
    assert bench.machine.committed_height == 100
    assert commits(bench.effects) == chain.blocks
    assert not of_kind(bench.effects, Drop)


def test_only_so_much_is_fetched_ahead_of_execution() -> None:
    bench = Bench(3)
    chain = Chain(bench, 3 * BLOCKS_PER_RANGE)
    bench.hear(1, bench.certificate(chain.claims[-1]))
    bench.hear(1, chain.part(bench, 1, 64))
    effects = bench.hear(1, chain.part(bench, 65, 128))
    assert not messages(effects, FetchRange)
    run_all(bench, chain)
    assert messages(bench.effects, FetchRange)[-1] == FetchRange(129)


def test_blocks_between_certified_ones_are_final_through_their_descendant() -> None:
    bench = Bench(3)
    chain = Chain(bench, 6)
    bench.hear(1, bench.certificate(chain.claims[5]))
    bench.hear(1, chain.part(bench, 1, 6, certified=(2,)))
    run_all(bench, chain)
    assert commits(bench.effects) == chain.blocks
    certified = [
        commit.block.header.height for commit in of_kind(bench.effects, Commit) if commit.certificate
    ]
    assert certified == [2, 6]


def test_a_recent_batch_that_a_later_block_has_again_is_recalled_to_execute_it() -> None:
    """65 blocks lie between its two blocks, but the last of them cannot be committed before the second one is."""
    height = 100
    anchor = GENESIS._replace(height=height)
    recent = ((digest("again"),), *(() for _ in range(63)))
    bench = Bench(3, start=Start(anchor, ANCHOR_OUTCOME, None, recent))
    first = bench.block(1, anchor, ("a",))
    second = bench.block(2, first.header, ("again",))
    middle = outcome_of(first).hash_in(NETWORK)
    certificate = bench.certificate(bench.certificate_claim(2, second, middle))
    bench.hear(1, certificate)
    bench.hear(1, Range(((first, None), (second, certificate))))
    bench.hold("a")
    bench.execute(first)
    assert bench.machine.wants_batch(digest("again"))
    assert executions(bench.hold("again")) == [second]
    assert bench.machine._batches.digests(9) == (digest("a"),), "it is nobody's pending work"
    assert commits(bench.execute(second, middle)) == [first, second]
    assert digest("again") not in bench.machine._batches


def test_a_range_that_does_not_hold_drops_its_sender_and_changes_nothing() -> None:
    chain = Chain(Bench(3), 4)
    strange = Chain(Bench(3), 4)
    strange.blocks[1] = Bench(3).block(2, chain.blocks[0].header, ("x",))
    bench = Bench(3)
    certificate = bench.certificate(chain.claims[0])
    good = chain.part(bench, 1, 4).blocks
    bad = [
        Range((good[1], good[0])),
        Range((good[0], (strange.blocks[1], good[1][1]), good[2], good[3])),
        Range((good[0], (good[1][0], certificate))),
        Range((good[0], (good[1][0], certificate._replace(claim=chain.claims[1])))),
        Range((good[0], (good[1][0], bench.certificate(notarise(0, 2, chain.blocks[1].header.hash))))),
    ]
    for answer in bad:
        bench = Bench(3)
        bench.hear(1, bench.certificate(chain.claims[3]))
        assert [drop.peer for drop in of_kind(bench.hear(2, answer), Drop)] == [2]
        assert not executions(bench.effects)
        assert len(list(bench.machine._tree)) == 1
        bench.hear(1, chain.part(bench, 1, 4))
        run_all(bench, chain)
        assert bench.machine.committed_height == 4


def test_ranges_nobody_asked_for_or_without_an_end_are_ignored() -> None:
    bench = Bench(3)
    chain = Chain(bench, 3)
    good = chain.part(bench, 1, 3)
    assert not bench.hear(1, good)
    bench.hear(1, bench.certificate(chain.claims[2]))
    assert not of_kind(bench.hear(1, Range((*good.blocks[:2], (good.blocks[2][0], None)))), Drop)
    assert not of_kind(bench.hear(1, Range(())), Drop)
    assert bench.machine.committed_height == 0
    assert len(list(bench.machine._tree)) == 1


def test_a_validator_that_lags_still_votes_in_its_view() -> None:
    bench = Bench(3)
    chain = Chain(bench, 5)
    bench.hear(1, bench.certificate(chain.claims[4]))
    bench.hold("new")
    assert set(votes(bench.wait(200), Kind.NULLIFY)) == {nullify(0, 6)}
