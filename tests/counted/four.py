"""Four whole validators on simulated machines, whose every frame and disk operation is counted.

Time is simulated and randomness drawn from a seed, so that every number is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.base.keys import SigningKey
from node.local import protocol
from node.local.protocol import Submission, TransactionStatus, WaitFor
from node.validator.frames import BATCH_FRAME
from tests.counted.counting import Counts, counting
from tests.counted.traffic import line
from tests.simulation.founding import found
from tests.simulation.machine import GENESIS_MS
from tests.simulation.node import Node
from tests.simulation.wires import Caller
from tests.simulation.world import World
from tests.world.world import seed

FIRST = range(200, 300)
"""Items that were made in the one block there is."""
_SETTLE_US = 1_000_000
_WRITE_US = 10_000_000
"""Until everything final is in the tables."""


class Four:
    """The network; `submit`, then `settle`, then read the counts."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        founding = found(4)
        self.validators = tuple(seat.public_key for seat in founding.validators)
        self.world = world = World(5, founding)
        for slot in world.seats:
            world.place(slot)
        world.start()
        world.loop.run_until(50_000)
        key = SigningKey.from_seed(seed_of_maker())
        self.line = line(key, "maker", founding.genesis.network, GENESIS_MS + 1_800_000)
        self.sent: Counter[int] = Counter()
        """Bytes of frames by kind, to all peers together."""
        self.frames: Counter[int] = Counter()
        self.syncs: Counter[str] = Counter()
        """Files and folders made durable, by folder, of all four."""
        self._answers: list[bytes] = []
        self.kept: list[bytes] = []
        """Batch frames that were held back."""
        for node in world.nodes:
            self._watch(node)

    def _watch(self, node: Node) -> None:
        disk = node.machine.disk
        before = disk.fault

        def fault(operation: str, path: str) -> None:
            if operation.startswith("sync"):
                self.syncs[path.partition("/")[0]] += 1
            before(operation, path)

        def may_leave(_other: Node, kind: int, body: bytes) -> bool:
            self.frames[kind] += 1
            self.sent[kind] += len(body)
            return True

        disk.fault = fault
        node.may_leave = may_leave

    def clear(self) -> None:
        """Count from here on."""
        self.counts.clear()
        self.sent.clear()
        self.frames.clear()
        self.syncs.clear()

    def hold_back(self, node: Node) -> None:
        """Let nothing leave a node from here on; keep the batches."""

        def may_leave(_other: Node, kind: int, body: bytes) -> bool:
            if kind == BATCH_FRAME:
                self.kept.append(body)
            return False

        node.may_leave = may_leave

    def submit(self, submission: Submission, node: int = 1) -> None:
        """Hand in at a node's private socket."""
        at, loop = self.world.nodes[node], self.world.loop
        door, process = at.door, at.machine.process
        assert door is not None
        caller = Caller(process, self._answered)
        at.callers.append(caller)
        body = protocol.encode_request(1, protocol.Submit((submission,), WaitFor.FINAL))
        loop.at(loop.now_us, process, door.on_frame, caller, protocol.REQUEST, body)

    def _answered(self, kind: int, body: bytes) -> None:
        assert kind == protocol.ANSWER
        self._answers.append(body)

    def answers(self) -> list[TransactionStatus]:
        """What became of everything handed in. Reading it is the client's work: read after counting."""
        read = [protocol.parse_statuses(protocol.decode_answer(body)[1]) for body in self._answers]
        return [status for statuses in read for status in statuses]

    def bring(self, body: bytes, sender: int, receiver: int) -> None:
        """A batch frame comes in."""
        nodes, loop = self.world.nodes, self.world.loop
        mesh = nodes[receiver].mesh
        assert mesh is not None
        loop.at(loop.now_us, nodes[receiver].machine.process, mesh.came, nodes[sender], BATCH_FRAME, body)

    def settle(self, duration_us: int = _SETTLE_US) -> None:
        """Let simulated time pass: enough for anything under way to end."""
        self.world.loop.run_until(self.world.loop.now_us + duration_us)

    def write(self) -> None:
        """Until everything is on the disks."""
        self.settle(_WRITE_US)

    def tables(self, node: int = 1) -> dict[str, tuple[int, int]]:
        """Rows, and bytes of keys and values, of the state store's tables on one disk."""
        backend = self.world.nodes[node].machine.tables["state"]
        return {
            name: (len(rows), sum(len(key) + len(value) for key, value in rows.items()))
            for name, rows in sorted(backend.tables.items())
        }

    def files(self, node: int = 1) -> dict[str, int]:
        """Bytes of files by folder on one disk."""
        found: Counter[str] = Counter()
        for path, inode in self.world.nodes[node].machine.disk.names.items():
            found[path.partition("/")[0]] += len(inode.content)
        return dict(found)

    def checks(self) -> tuple[int, int]:
        """Signatures checked: (authors', validators'), by all four together."""
        total = sum(self.counts.checks.values())
        of_validators = sum(self.counts.checks[key] for key in self.validators)
        return total - of_validators, of_validators


def seed_of_maker() -> bytes:
    """Of the key that the simulated maker signs with (`tests.simulation.founding`)."""
    return seed("simulated sign maker")


@contextmanager
def four() -> Iterator[Four]:
    """Four validators that have begun, with one block behind them."""
    with counting() as counts:
        made = Four(counts)
        made.submit(made.line.submission(FIRST))
        made.settle()
        assert len(made.answers()) == 1
        made.clear()
        yield made
        made.world.close()
