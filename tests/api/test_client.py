"""This project's client and this project's gateway understand each other."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from client.gateway import AsyncGateway
from client.protocol import Address, Wait
from client.request_signing import RequestSigner
from client.signing import Submission
from ledger.base.encoding import decode
from ledger.base.errors import Code, CustodyError
from ledger.chain.certificate import check_checkpoint, parse_checkpoint
from ledger.chain.genesis import genesis_from_bytes
from ledger.chain.signing import Payload, Signed
from ledger.proof.build import build
from ledger.trade.record import Space, SubjectKey
from node.config import Address as NodeAddress
from node.gateway.run import origin_of
from node.gateway.signed_requests import SignedRequests
from tests.gateway.listening import Listening, play_listening
from tests.gateway.stage import TOKEN, item_id
from tests.world.past import Past


def submission(at: Listening, *numbers: int) -> Submission:
    nothing = Payload(b"", None, b"")
    signed = tuple(Signed(at.stage.made(number), (nothing,)) for number in numbers)
    return Submission(at.stage.world.network, signed)


def test_what_the_client_asks_is_what_the_gateway_answers(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async with AsyncGateway([Address(f"http://127.0.0.1:{at.port}", TOKEN)]) as gateway:
            sent = submission(at, 1, 2)
            first, second = await gateway.submit(sent)
            assert (first.status, second.status, second.height) == ("final", "final", 2)
            assert first.receipts[0].outcomes[0]["name"] == "made"
            assert await gateway.submit(sent) == (first, second)
            assert await gateway.transaction(first.id) == first
            assert (await gateway.subject(item_id(1)))["record"]["custodian"] == "maker"
            assert len((await gateway.history(item_id(1)))["links"]) == 1
            assert (await gateway.block(1))["transactions"][0]["id"] == first.id
            bundle = await gateway.bundle([item_id(1)])
            assert bundle == build(Past(at.stage.world), [SubjectKey(Space.THING, item_id(1))])
            checkpoint = parse_checkpoint(decode(await gateway.checkpoint(), max_bytes=100_000))
            check_checkpoint(at.stage.world.validators, checkpoint)
            assert genesis_from_bytes(await gateway.genesis()) == at.stage.world.genesis
            (accepted,) = await gateway.submit(submission(at, 3), Wait.ACCEPTED)
            assert accepted.status == "accepted"

    play_listening(tmp_path, act)


def test_a_signed_request_is_what_the_server_reads(tmp_path: Path) -> None:
    """Host, path and query as they come over a connection, with everything that is encoded in them."""

    async def act(at: Listening) -> None:
        gateway, world = at.stage.gateway, at.stage.world
        origin = origin_of(NodeAddress("127.0.0.1", at.port))
        gateway.callers.signed = SignedRequests(
            gateway.registry, [origin], lambda: time.time_ns() // 1_000_000
        )
        signer = RequestSigner(world.keys["carrier"])
        async with AsyncGateway([Address(origin)], signer=signer) as client:
            await client.submit(submission(at, 1))
            assert (await client.subject(item_id(1)))["record"]["custodian"] == "maker"
            assert len((await client.history(item_id(1), ("from", "1")))["links"]) == 1
            with pytest.raises(CustodyError) as caught:
                await client.subject("urn:x:ü ö/?&=#+%")
            assert caught.value.code == Code.UNKNOWN_SUBJECT

    play_listening(tmp_path, act)


def test_the_client_follows_over_connections_that_break(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async with AsyncGateway([Address(f"http://127.0.0.1:{at.port}", TOKEN)]) as gateway:
            await gateway.submit(submission(at, 1, 2))
            heights = []
            async for notice in gateway.follow(1):
                heights.append(notice.data["height"])
                if len(heights) == 2:
                    for connection in list(at.server.server_state.connections):
                        connection.transport.abort()
                    await asyncio.sleep(0)
                    await gateway.submit(submission(at, 3))
                if len(heights) == 3:
                    break
            assert heights == [1, 2, 3]

    play_listening(tmp_path, act)


def test_the_client_hears_the_code_and_the_sentence(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        address = f"http://127.0.0.1:{at.port}"
        async with AsyncGateway([Address(address, TOKEN)]) as gateway:
            with pytest.raises(CustodyError, match=item_id(9)) as caught:
                await gateway.subject(item_id(9))
            assert caught.value.code == Code.UNKNOWN_SUBJECT
        async with AsyncGateway([Address(address)]) as stranger:
            with pytest.raises(CustodyError) as caught:
                await stranger.subject(item_id(9))
            assert caught.value.code == Code.UNAUTHORISED

    play_listening(tmp_path, act)
