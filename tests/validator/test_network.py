"""Four validators: submit, agree, answer, prove, restart, catch up."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from client.events import Circumstances, hold
from client.prepare import prepare
from client.spelling import place, thing
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError
from ledger.base.keys import SigningKey
from ledger.chain.certificate import check_checkpoint
from ledger.chain.evidence import make_evidence
from ledger.chain.transaction import Kind, Mode, sign_transaction, transaction_from_bytes
from ledger.chain.votes import notarise
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from ledger.trade.record import EMPTY
from node.init import gln
from node.local.protocol import OpenBytes, State, Submission, WaitFor
from node.transport.local_service import LocalConnection
from node.validator import housekeeping
from tests.bench.load import Author, event_of, serial
from tests.validator.network import Network, item, until, with_network


def test_what_one_validator_is_handed_is_final_on_all_and_can_be_read_and_proven(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        client = network.clients["maker"]
        first = author.submission(range(3))
        (status,) = await client.submit((first,))
        assert status.state is State.FINAL
        assert [receipt.refusal for receipt in status.receipts] == ["", "", ""]
        (seen,) = await client.submit((author.submission((1,), is_first=False),))
        assert seen.state is State.FINAL
        height = await network.same_height()
        assert height == seen.height
        for name, other in network.clients.items():
            assert await other.transactions([status.transaction, seen.transaction]) == (status, seen), name
            found = await other.record(item(1))
            assert found.record.custodian == "maker"
            assert found.height == height
            assert found.record.links.length == 2
            rows = await other.history(item(1))
            assert [row.entry.transaction for row in rows] == [status.transaction, seen.transaction]
            assert await other.history(item(1), first=2) == rows[1:]
            block = await other.block(seen.height or 0)
            assert block.receipts == (seen,)
            assert transaction_from_bytes(block.transactions[0], network.network).id == seen.transaction
            checkpoint = await other.checkpoint()
            check_checkpoint(network.running[name].member.validators, checkpoint)
            bundle = await other.prove([item(1)], payloads=True)
            verify(bundle, anchor_from_genesis(network.made.genesis))
        (first_row, _) = await client.history(item(1))
        hashed = decode(first_row.item or b"", max_bytes=10_000)[3]
        (payload,) = await network.clients["customs"].payloads([hashed])
        assert payload.event == event_of(1, is_first=True)
        assert (await client.record(item(999))).record == EMPTY
        with pytest.raises(UnavailableError) as unknown:
            await client.prove([item(999)])
        assert unknown.value.code is Code.UNKNOWN_SUBJECT
        with pytest.raises(UnavailableError) as none:
            await client.block(height + 1)
        assert none.value.code is Code.UNKNOWN_BLOCK

    with_network(tmp_path, scenario)


def test_more_bytes_than_one_answer_holds_come_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.validator.service.PAYLOADS_BYTES", 1)

    async def scenario(network: Network) -> None:
        client = network.clients["maker"]
        submission = network.author("maker").submission((1, 2, 3))
        await client.submit((submission,))
        items = transaction_from_bytes(submission.transaction, network.network).items
        hashes = [item[3] for item in items]
        answered = await client.payloads([bytes(32), *hashes, bytes(32)])
        assert [one.event_hash for one in answered] == hashes

    with_network(tmp_path, scenario)


def test_a_history_of_more_bytes_than_one_answer_holds_comes_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Network) -> None:
        client = network.clients["maker"]
        await client.submit((network.author("maker").submission((1,)),))
        await client.submit((network.author("maker").submission((1,), is_first=False),))
        whole = await client.history(item(1))
        assert len(whole) == 2
        monkeypatch.setattr("node.validator.service.HISTORY_BYTES", len(whole[0].item or b""))
        assert await client.history(item(1)) == whole[:1]
        assert await client.history(item(1), first=2) == whole[1:]

    with_network(tmp_path, scenario)


def test_the_same_transaction_again_is_answered_with_what_became_of_it(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        submission = network.author().submission((1,))
        answers = await asyncio.gather(
            *(
                client.submit((submission, submission))
                for client in network.clients.values()
                for _ in range(3)
            )
        )
        statuses = {status for answer in answers for status in answer}
        assert len(statuses) == 1
        assert (await network.clients["customs"].submit((submission,)))[0] in statuses
        assert (await network.clients["customs"].record(item(1))).record.links.length == 1

    with_network(tmp_path, scenario)


def refused_with(network: Network) -> dict[str, tuple[Submission, Code]]:
    """Submissions that are refused at once, and how."""
    good = network.author().submission((1,))
    parsed = transaction_from_bytes(good.transaction, network.network)
    foreign = Author(network.key("maker"), "maker", bytes(32)).submission((1,))
    stranger = Author(SigningKey.from_seed(bytes(32)), "maker", network.network).submission((1,))
    posing = Author(network.key("carrier"), "maker", network.network).submission((1,))
    device = Author(network.key("maker", "device"), "maker", network.network).submission((1,))
    header, items, _ = decode(good.transaction, max_bytes=100_000)

    def signed(expiry_ms: int) -> Submission:
        made = sign_transaction(
            network.key("maker"), network.network, "maker", items, nonce=os.urandom(16), expiry_ms=expiry_ms
        )
        return good._replace(transaction=made.to_bytes())

    salt, _, event, _ = good.payloads[0]
    statement, *rest = items[0]
    wrong = ((*statement[:4], 9_001, *statement[5:]), *rest)
    lie = sign_transaction(
        network.key("maker"), network.network, "maker", (wrong,),
        nonce=os.urandom(16), expiry_ms=parsed.header.expiry_ms,
    )  # fmt: skip
    other_bytes = good._replace(payloads=(OpenBytes(salt, None, event + b" "),))
    return {
        "garbage": (Submission(b"\xc1"), Code.MALFORMED),
        "not canonical": (Submission(b"\xcd\x00\x01"), Code.NOT_CANONICAL),
        "another network": (foreign, Code.WRONG_NETWORK),
        "signature": (
            good._replace(transaction=encode((header, items, bytes(64)))),
            Code.BAD_SIGNATURE,
        ),
        "unknown key": (stranger, Code.UNKNOWN_KEY),
        "another's key": (posing, Code.NOT_ENTITLED),
        "a device's key": (device, Code.WRONG_USE),
        "expired": (signed(1), Code.EXPIRED),
        "too far": (signed(2**52), Code.EXPIRY_TOO_FAR),
        "no bytes": (good._replace(payloads=()), Code.MALFORMED),
        "other bytes": (other_bytes, Code.MALFORMED),
        "another extract": (good._replace(transaction=lie.to_bytes()), Code.EXTRACT_DIFFERS),
    }


def test_bad_submissions_are_refused_at_once_one_by_one_and_leave_nothing(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        bad = refused_with(network)
        client = network.clients["maker"]
        statuses = await client.submit(tuple(submission for submission, _ in bad.values()))
        for (name, (_, code)), status in zip(bad.items(), statuses, strict=True):
            assert status.state is State.REFUSED, name
            assert status.code == code.value, name
            assert status.message.startswith("expected"), name
        assert (await client.status()).height == 0
        (good,) = await client.submit((network.author().submission((1,)),))
        assert good.state is State.FINAL

    with_network(tmp_path, scenario)


def test_an_official_act_by_somebody_not_entitled_is_refused_at_once(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        now_ms = time.time_ns() // 1_000_000
        held = hold(Circumstances(now_ms, place=place(gln(11))), [thing(serial(1))], case="C-1", basis="law")
        one = prepare(network.network, held)
        for name, state in (("carrier", State.REFUSED), ("customs", State.FINAL)):
            made = sign_transaction(
                network.key(name), network.network, name, decode(encode((one.item,)), max_bytes=10_000),
                nonce=os.urandom(16), expiry_ms=now_ms + 60_000,
            )  # fmt: skip
            payload = OpenBytes(one.payload.salt, 0, one.payload.event)
            submission = Submission(made.to_bytes(), (one.payload.context or b"",), (payload,))
            (status,) = await network.clients["maker"].submit((submission,))
            assert status.state is state
            assert status.code == ("" if state is State.FINAL else Code.NOT_ENTITLED.value)

    with_network(tmp_path, scenario)


def test_accepted_promises_nothing_and_final_comes(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        client = network.clients["carrier"]
        submission = network.author().submission((1,))
        (status,) = await client.submit((submission,), WaitFor.ACCEPTED)
        assert status.state is State.PENDING
        (final,) = await client.submit((submission,), WaitFor.FINAL)
        assert final.state is State.FINAL

    with_network(tmp_path, scenario)


def test_answers_leave_as_soon_as_their_block_is_final_and_not_when_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []
    really = LocalConnection.send_now

    def send_now(connection: LocalConnection) -> None:
        was_waiting = bool(connection.outbox)
        really(connection)
        left.append(was_waiting and not connection.outbox)

    monkeypatch.setattr(LocalConnection, "send_now", send_now)

    async def scenario(network: Network) -> None:
        (final,) = await network.clients["carrier"].submit((network.author().submission((1,)),))
        assert final.state is State.FINAL
        assert left == [True]

    with_network(tmp_path, scenario)


def test_whoever_follows_hears_every_block_in_order_past_and_future(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author, client = network.author(), network.clients["maker"]
        await client.submit((author.submission((1,)),))
        follower = network.clients["customs"]

        async def follow(gather_ms: int) -> list[int]:
            heights: list[int] = []
            async for block in follower.follow(1, gather_ms=gather_ms):
                heights.append(block.header.height)
                if len(heights) == 4:
                    break
            return heights

        following = asyncio.gather(follow(0), follow(20))
        for number in (2, 3, 4):
            await client.submit((author.submission((number,)),))
        assert list(await following) == [[1, 2, 3, 4]] * 2
        stored = await follower.block(2)
        network.running["customs"].chain._recent.clear()
        assert await follower.block(2) == stored

    with_network(tmp_path, scenario)


def test_a_validator_that_was_away_catches_up_by_ranges_and_batches(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        await network.clients["maker"].submit((author.submission((1,)),))
        await network.same_height()
        await network.stop("carrier")
        for number in range(2, 90):
            await network.clients["maker"].submit((author.submission((number,)),))
        await network.start("carrier")
        await network.same_height()
        verify(await network.clients["carrier"].prove([item(50)]), anchor_from_genesis(network.made.genesis))
        (payload,) = await network.clients["carrier"].payloads(
            [decode((await network.clients["carrier"].history(item(50)))[0].item or b"", max_bytes=10_000)[3]]
        )
        assert payload.event == event_of(50, is_first=True)

    with_network(tmp_path, scenario)


def test_all_four_stop_and_start_again_where_they_were(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        statuses = [
            (await network.clients["maker"].submit((author.submission((number,)),)))[0] for number in range(5)
        ]
        before = await network.same_height()
        await network.stop()
        await network.start()
        await network.connected()
        assert await network.same_height() == before
        for client in network.clients.values():
            assert list(await client.transactions([status.transaction for status in statuses])) == statuses
        (again,) = await network.clients["customs"].submit((author.submission((9,)),))
        assert again.height == before + 1

    with_network(tmp_path, scenario)


def test_the_chain_is_redone_when_the_state_is_lost(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        for number in range(4):
            await network.clients["maker"].submit((author.submission((number, number + 100)),))
        await network.same_height()
        state = network.running["carrier"].executor.state
        root, log = state.tree.root, state.log.root()
        await network.stop("carrier")
        for file in (network.made.folders["carrier"] / "state").iterdir():
            file.unlink()
        await network.start("carrier")
        redone = network.running["carrier"].executor.state
        assert (redone.tree.root, redone.log.root()) == (root, log)
        assert redone.remembered == state.remembered

    with_network(tmp_path, scenario)


def test_a_running_validator_writes_its_state_so_that_a_killed_one_has_little_to_redo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "FLUSH_S", 0.0)

    async def scenario(network: Network) -> None:
        await network.clients["maker"].submit((network.author().submission((1,)),))
        validator = network.running["maker"]
        await until(lambda: validator.stores.state.durable_height == validator.chain.height)

    with_network(tmp_path, scenario)


def test_a_validator_that_contradicts_itself_stands_on_the_ledger(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        key = network.key("carrier", "validator-0")
        maker = network.running["maker"]
        culprit = next(i for i, seat in enumerate(maker.member.validators) if seat.organisation == "carrier")
        claims = [notarise(0, 7, bytes((n,)) * 32) for n in (1, 2)]
        signatures = [key.sign(claim.signing_message(network.network)) for claim in claims]
        evidence = make_evidence(culprit, claims[0], signatures[0], claims[1], signatures[1])
        maker.accuse(evidence)
        maker.accuse(evidence)
        await until(lambda: maker.chain.height == 1 or maker.failure is not None)
        assert maker.failure is None
        await network.same_height()
        block = await network.clients["maker"].block(1)
        (transaction,) = [transaction_from_bytes(data, network.network) for data in block.transactions]
        assert transaction.header.kind == Kind.EVIDENCE
        assert transaction.header.organisation == "maker"
        assert block.receipts[0].receipts[0].refusal == ""
        assert any("carrier" in warning for warning in (await network.clients["maker"].status()).warnings)

    with_network(tmp_path, scenario)


def test_a_validator_key_signs_evidence_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = Author(network.key("maker", "validator-0"), "maker", network.network)
        (status,) = await network.clients["maker"].submit((author.submission((1,)),))
        assert (status.state, status.code) == (State.REFUSED, Code.UNKNOWN_KEY.value)

    with_network(tmp_path, scenario)


def test_nothing_is_lost_while_proofs_are_asked_for_under_load(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        anchor = anchor_from_genesis(network.made.genesis)
        await network.clients["maker"].submit((author.submission((0,)),))
        await network.same_height()

        async def load(client_name: str, numbers: range) -> None:
            for number in numbers:
                (status,) = await network.clients[client_name].submit((author.submission((number,)),))
                assert status.state is State.FINAL

        loads = [
            asyncio.create_task(load(name, range(start, start + 15)))
            for start, name in zip((100, 200, 300, 400), network.names, strict=True)
        ]
        for _ in range(10):
            verify(await network.clients["customs"].prove([item(0)]), anchor)
        await asyncio.gather(*loads)

    with_network(tmp_path, scenario)


def test_status_and_metrics_say_how_it_is_doing(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        await network.clients["maker"].submit((network.author().submission((1,)),))
        status = await network.clients["maker"].status()
        assert status.organisation == "maker"
        assert status.phase == "ready"
        assert status.height == status.checkpoint_height == 1
        assert {peer.organisation for peer in status.peers if peer.is_connected} == {
            "carrier",
            "customs",
            "forwarder",
        }
        assert status.warnings == ()
        assert b"custody_height 1.0" in await network.clients["maker"].metrics()
        assert await network.clients["maker"].genesis() == network.made.genesis.to_bytes()

    with_network(tmp_path, scenario)


def test_one_refused_item_takes_the_others_with_it_only_if_asked_to(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        both = author.submission((1, 2))
        header, items, _ = decode(both.transaction, max_bytes=100_000)
        bad = (items[0], (items[1][0], items[1][1], b"short", *items[1][3:]))
        statuses = []
        for mode in (Mode.EACH_ON_ITS_OWN, Mode.ALL_OR_NOTHING):
            made = sign_transaction(
                network.key("maker"), network.network, "maker", bad,
                nonce=os.urandom(16), expiry_ms=header[5], mode=mode,
            )  # fmt: skip
            (status,) = await network.clients["maker"].submit((both._replace(transaction=made.to_bytes()),))
            statuses.append([receipt.refusal for receipt in status.receipts])
        assert statuses == [["", "malformed"], ["rolled_back", "malformed"]]

    with_network(tmp_path, scenario)


def test_an_unknown_request_is_answered_and_the_connection_lives(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        client = network.clients["maker"]
        with pytest.raises(CustodyError) as refused:
            await client.history(item(1), first=0)
        assert refused.value.code is Code.MALFORMED
        assert (await client.status()).phase == "ready"

    with_network(tmp_path, scenario)


def test_a_failed_sync_or_an_error_nobody_foresaw_stops_the_validator_and_not_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        broken, odd = network.running["carrier"], network.running["forwarder"]

        def fails() -> None:
            raise StorageError(Code.DAMAGED, "expected the disk to work while testing")

        monkeypatch.setattr(broken.stores.votes, "sync", fails)
        await network.clients["maker"].submit((author.submission((1,)),))
        await broken.stopped.wait()
        assert broken.failure is not None
        assert broken.failure.code is Code.DAMAGED
        monkeypatch.undo()
        (status,) = await network.clients["maker"].submit((author.submission((2,)),))
        assert status.state is State.FINAL
        await network.stop("carrier")
        await network.start("carrier")
        await network.same_height()

        monkeypatch.setattr(odd.executor, "execute", lambda *_: 1 // 0)
        await network.clients["maker"].submit((author.submission((3,)),))
        await odd.stopped.wait()
        assert odd.failure is not None
        assert "ZeroDivisionError" in odd.failure.message
        await network.stop("forwarder")
        await network.start("forwarder")
        await network.same_height()

    with_network(tmp_path, scenario)
