from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, StorageError, UnavailableError
from node.transport.local_service import LocalConnection, LocalServer, connect_local

REQUEST, ANSWER, PART, CANCEL = 16, 17, 18, 20
CAPS = {REQUEST: 1_000_000, CANCEL: 16}
ANSWER_CAPS = {ANSWER: 10_000_000, PART: 1_000_000}


class Service:
    """Answers ["echo", x] with x, streams ["count", n], never answers ["wait"]."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.lost: list[Exception | None] = []
        self.sent = 0

    def on_frame(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        number, *rest = decode(body, max_bytes=1_000_000)
        if kind == CANCEL:
            connection.cancel(number)
        else:
            connection.spawn(number, self.serve(connection, number, *rest))

    async def serve(
        self, connection: LocalConnection, number: int, operation: str, value: int | bytes
    ) -> None:
        try:
            if operation == "wait":
                await asyncio.Event().wait()
            elif operation == "fail":
                raise RuntimeError("a defect")
            elif operation == "count":
                for part in range(int.from_bytes(bytes(value), "big") if isinstance(value, bytes) else value):
                    connection.send_or_end(PART, encode((number, part, bytes(1000))))
                    self.sent += 1
                    await connection.drained()
            connection.send_or_end(ANSWER, encode((number, value)))
        finally:
            self.ended.append(number)


class Asker:
    def __init__(self) -> None:
        self.frames: list[tuple[int, tuple[int | bytes, ...]]] = []
        self.lost: list[Exception | None] = []

    def on_frame(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        self.frames.append((kind, decode(body, max_bytes=10_000_000)))

    def on_lost(self, connection: LocalConnection, reason: Exception | None) -> None:
        self.lost.append(reason)

    async def connect(self, path: Path) -> LocalConnection:
        return await connect_local(path, ANSWER_CAPS, self.on_frame, self.on_lost)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - state of two sides at once
        await asyncio.sleep(0.002)


def with_service(
    path: Path,
    scenario: Callable[[Service, LocalServer, Asker, LocalConnection], Awaitable[None]],
    requests: int = 16,
) -> None:
    async def run() -> None:
        service = Service()
        server = LocalServer(
            path,
            CAPS,
            service.on_frame,
            lambda connection, reason: service.lost.append(reason),
            requests=requests,
        )
        await server.start()
        asker = Asker()
        connection = await asker.connect(path)
        try:
            await scenario(service, server, asker, connection)
        finally:
            connection.close()
            await server.close()

    asyncio.run(run())


def ask(connection: LocalConnection, number: int, operation: str, value: int | bytes = 0) -> None:
    connection.send_or_end(REQUEST, encode((number, operation, value)))


def under_way(server: LocalServer) -> int:
    return sum(connection.requests_under_way for connection in server.connections)


def test_requests_are_answered_and_the_socket_is_private(tmp_path: Path) -> None:
    path = tmp_path / "validator.sock"

    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        ask(connection, 1, "echo", b"hello")
        ask(connection, 2, "echo", b"x" * 900_000)
        await until(lambda: len(asker.frames) == 2)
        assert asker.frames == [(ANSWER, (1, b"hello")), (ANSWER, (2, b"x" * 900_000))]

    with_service(path, scenario)
    assert not path.exists()


def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()

    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        ask(connection, 1, "echo", b"hello")
        await until(lambda: len(asker.frames) == 1)

    with_service(folder / "validator.sock", scenario)


def test_streams_wait_for_who_reads_slowly(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        connection.pause_reading()
        ask(connection, 1, "count", 5_000)
        await until(lambda: service.sent > 100)
        seen = -1
        while seen != service.sent:
            seen = service.sent
            await asyncio.sleep(0.05)
        assert seen < 2_000, "the stream stands still, some 5 MB are not held in memory"
        connection.resume_reading()
        await until(lambda: (ANSWER, (1, 5_000)) in asker.frames)
        assert [frame[1][1] for frame in asker.frames if frame[0] == PART] == list(range(5_000))

    with_service(tmp_path / "s", scenario)


def test_cancelling_and_going_away_end_requests(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        ask(connection, 1, "wait")
        ask(connection, 2, "wait")
        await until(lambda: under_way(server) == 2)
        connection.send_or_end(CANCEL, encode((1,)))
        connection.send_or_end(CANCEL, encode((99,)))
        await until(lambda: service.ended == [1])
        connection.close()
        await until(lambda: service.ended == [1, 2])
        assert server.connections == frozenset()
        assert service.lost == [None]

    with_service(tmp_path / "s", scenario)


def test_too_many_requests_wait_their_turn(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        for number in range(4):
            ask(connection, number, "wait")
        await until(lambda: under_way(server) == 4)
        ask(connection, 9, "echo")
        await asyncio.sleep(0.05)
        assert asker.frames == []
        other = Asker()
        second = await other.connect(tmp_path / "s")
        ask(second, 1, "echo")
        await until(lambda: len(other.frames) == 1)
        second.close()

    with_service(tmp_path / "s", scenario, requests=4)


@pytest.mark.parametrize("bad", [(99, b""), (CANCEL, bytes(17)), (REQUEST, b"not msgpack")])
def test_frames_out_of_form_end_the_connection_only(tmp_path: Path, bad: tuple[int, bytes]) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        other = Asker()
        second = await other.connect(tmp_path / "s")
        second.send_or_end(*bad)
        await until(lambda: len(other.lost) == 1)
        ask(connection, 1, "echo")
        await until(lambda: len(asker.frames) == 1)

    with_service(tmp_path / "s", scenario)


def test_a_number_in_use_ends_the_connection(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        ask(connection, 1, "wait")
        ask(connection, 1, "wait")
        await until(lambda: bool(asker.lost) and bool(service.lost))
        assert "fresh request number" in str(service.lost[0])

    with_service(tmp_path / "s", scenario)


def test_a_defect_in_a_request_ends_its_connection_and_is_reported(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(context["exception"])
        )
        ask(connection, 1, "fail")
        await until(lambda: bool(asker.lost))
        assert [str(error) for error in reported] == ["a defect"]

    with_service(tmp_path / "s", scenario)


def test_nobody_there_and_somebody_there(tmp_path: Path) -> None:
    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        second = LocalServer(tmp_path / "s", CAPS, service.on_frame)
        with pytest.raises(StorageError) as caught:
            await second.start()
        assert caught.value.code is Code.LOCKED
        await second.close()
        assert (tmp_path / "s").exists(), "the running one keeps its socket"
        for path in (tmp_path / "t", tmp_path / "no folder" / ("long" * 40) / "s"):
            with pytest.raises(UnavailableError):
                await Asker().connect(path)

    with_service(tmp_path / "s", scenario)


def test_a_socket_left_by_a_dead_process_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "s"))
    left.close()

    async def scenario(
        service: Service, server: LocalServer, asker: Asker, connection: LocalConnection
    ) -> None:
        ask(connection, 1, "echo")
        await until(lambda: len(asker.frames) == 1)

    with_service(tmp_path / "s", scenario)
    (tmp_path / "s").write_text("a file")
    with pytest.raises(StorageError):
        with_service(tmp_path / "s", scenario)
