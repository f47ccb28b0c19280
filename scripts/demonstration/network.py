"""Four real nodes of two processes each on the loopback interface, started for the demonstration and stopped with it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from client.attest import attest, next_counter
from client.events.draft import Draft
from client.gateway import Gateway
from client.prepare import prepare
from client.protocol import Address, Standing, Wait
from client.signing import sign
from demonstration import cast
from demonstration.stage import Played
from demonstration.story import shipment
from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.base.keys import Signer
from ledger.chain.signing import Prepared
from ledger.proof.history import Payload
from ledger.trade.identifiers import Identifier
from ledger.trade.statement import Openness
from node.init import DelegatePlan, MadeNetwork, OrganisationPlan, create_network
from node.storage.keystore import Keystore

STARTING_S: Final = 90
_STOPPING_S: Final = 15
_COMMAND_S: Final = 120
_DAY_MS: Final = 86_400_000


def plans(parties: dict[str, str] | None) -> tuple[OrganisationPlan, ...]:
    """What the genesis says of the four. With `parties` (named in somebody's documents) they are simulated."""
    goods = shipment()
    until = time.time_ns() // 1_000_000 + 3 * _DAY_MS
    named = parties if parties is not None else {cast.party(who).text: who for who in cast.ORGANISATIONS}
    return tuple(
        OrganisationPlan(
            who,
            who.title(),
            cast.COUNTRIES[who],
            cast.ROLES[who],
            parties=tuple(sorted(text for text, organisation in named.items() if organisation == who)),
            prefixes=(cast.PREFIX,) if who == cast.MANUFACTURER else (),
            issuers=(goods.declaration.issuer,) if who == cast.CUSTOMS else (),
            jurisdiction=("*",) if who == cast.CUSTOMS else (),
            delegates=(DelegatePlan(cast.DRIVER, goods.declaration.text, until),)
            if who == cast.CARRIER
            else (),
            is_simulated=parties is not None,
        )
        for who in cast.ORGANISATIONS
    )


def free_port_base() -> int:
    """A base such that validators (base + i) and gateways (base + 1000 + i) find their ports free now."""
    for base in range(17_100, 60_000, 100):
        ports = [
            base + offset + place for offset in (0, 1_000) for place in range(len(cast.ORGANISATIONS) + 1)
        ]
        if all(_is_free(port) for port in ports):
            return base
    raise UnavailableError(Code.PORT_IN_USE, "expected ten free ports on the loopback interface, found none")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class NetworkStage:
    """The network as a stage; a context manager that leaves no process behind."""

    def __init__(
        self,
        root: Path,
        *,
        parties: dict[str, str] | None = None,
        gateways: Sequence[str] = cast.ORGANISATIONS,
    ) -> None:
        """`gateways`: whose gateways run; all validators do."""
        self.root = root
        self._running = gateways
        self._base = free_port_base()
        self._made: MadeNetwork = create_network(
            root,
            plans(parties),
            name="demonstration",
            port_base=self._base,
            allow_persons=parties is not None,
        )
        self.genesis = self._made.genesis
        self._network = self.genesis.network
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._payloads: dict[bytes, Payload] = {}
        self._gateways: dict[str, Gateway] = {}

    # --- processes

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes and wait until every gateway is ready."""
        for role, organisations in (("validator", cast.ORGANISATIONS), ("gateway", self._running)):
            for who in organisations:
                self._start(who, role)
        for who in self._running:
            self._wait_until_ready(who)

    def _start(self, who: str, role: str) -> None:
        folder = self._made.folders[who]
        log = (self.root / f"{who}-{role}.log").open("wb")
        command = [sys.executable, "-c", _RUN, "node", "run", "--folder", str(folder), "--role", role]
        self._processes[f"{who} {role}"] = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        log.close()

    def join(self, who: str) -> None:
        """Start the two processes of a newcomer, whose folder was made beside the others', and wait until it is ready."""
        for role in ("validator", "gateway"):
            self._start(who, role)
        self._wait_until_ready(who)

    def folder(self, who: str) -> Path:
        """An organisation's folder."""
        return self._made.folders[who]

    def expect(self, who: str) -> tuple[Path, str, str]:
        """(folder, address of the validator, address of the gateway) that a newcomer is to have. Its id sorts last."""
        self._made.folders[who] = self.root / who
        place = sorted(self._made.folders).index(who)
        return self.root / who, f"127.0.0.1:{self._base + place}", f"127.0.0.1:{self._base + 1_000 + place}"

    def custody(self, who: str, *words: str | Path) -> str:
        """What the `custody` command prints for an organisation, in its folder. CustodyError where it ends otherwise than well."""
        folder = self._made.folders[who].resolve()
        command = [sys.executable, "-c", _RUN, "--config", str(folder / "custody.toml"), *map(str, words)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_S, cwd=folder
        )
        if done.returncode:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected custody {' '.join(map(str, words[:3]))} of {who} to do it: {done.stderr.strip()[-600:]}",
            )
        return done.stdout

    def _wait_until_ready(self, who: str) -> None:
        url = f"{self.url(who)}/readyz"
        deadline = time.monotonic() + STARTING_S
        while time.monotonic() < deadline:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    said = (self.root / f"{name.replace(' ', '-')}.log").read_text(errors="replace")[-600:]
                    raise UnavailableError(
                        Code.UNAVAILABLE, f"expected the {name} to keep running, it ended: {said}"
                    )
            try:
                if httpx.get(url, timeout=2, trust_env=False).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected {who} to be ready within {STARTING_S} s, see {self.root}"
        )

    def stop(self) -> None:
        """Stop the network; whatever does not end by itself is ended."""
        for gateway in self._gateways.values():
            gateway.close()
        self._gateways.clear()
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOPPING_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    @property
    def process_count(self) -> int:
        """How many processes run."""
        return sum(process.poll() is None for process in self._processes.values())

    def url(self, who: str) -> str:
        """The base URL of an organisation's gateway."""
        place = sorted(self._made.folders).index(who)
        return f"http://127.0.0.1:{self._base + 1_000 + place}"

    def token(self, who: str, name: str) -> str:
        """One of the tokens of an organisation's gateway, `reader` or `capture`."""
        return (self._made.folders[who] / "keys" / f"{name}.token").read_text().strip()

    # --- stage

    def key(self, who: str, name: str) -> Signer:
        """One of an organisation's keys: the demonstration plays all parts, so it sees all of them."""
        return Keystore(self._made.folders[who] / "keys").load(name)

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def gateway(self, who: str) -> Gateway:
        """A client of the organisation's gateway."""
        found = self._gateways.get(who)
        if found is None:
            found = self._gateways[who] = Gateway([Address(self.url(who), self.token(who, "reader"))])
        return found

    def hand_in_at(self, who: str, other: str) -> None:
        """From now on an organisation uses another's gateway."""
        self.gateway(who).close()
        self._gateways[who] = self.gateway(other)

    def submit(
        self,
        organisation: str,
        drafts: Sequence[Draft],
        *,
        delegate: str | None = None,
        device_since_ms: int | None = None,
        restricted: bool = False,
    ) -> list[Played]:
        """Sign, submit through the organisation's own gateway, wait until final."""
        prepared = [self._prepared(draft, restricted=restricted) for draft in drafts]
        if device_since_ms is not None:
            device, counter = self.key(organisation, "device"), self.root / "device.counter"
            prepared = [
                attest(device, one, organisation, counter=next_counter(counter), time_ms=device_since_ms)
                for one in prepared
            ]
        key = self.key(organisation, delegate or "sign")
        submission = sign(key, organisation, prepared, now_ms=self.now_ms())
        standings = self.gateway(organisation).submit(submission, Wait.FINAL)
        return _played(prepared, standings)

    def _prepared(self, draft: Draft, *, restricted: bool) -> Prepared:
        if restricted:
            draft = draft.with_openness(Openness.RESTRICTED)
        one = prepare(self._network, draft)
        self._payloads[one.item.event_hash] = Payload(*one.payload)
        return one

    def payload(self, event_hash: bytes) -> Payload:
        """The bytes of an event submitted here."""
        return self._payloads[event_hash]

    def bundle(self, subjects: Sequence[Identifier], *, payloads: bool = False) -> bytes:
        """The bundle that proves the subjects now, from the customs' own gateway."""
        asked = [subject.text for subject in subjects]
        extra = (("payloads", "true"),) if payloads else ()
        return self.gateway(cast.CUSTOMS).bundle(asked, *extra)


_RUN: Final = "import sys; from client.cli import main; sys.exit(main())"


def _played(prepared: Sequence[Prepared], standings: Sequence[Standing]) -> list[Played]:
    receipts = []
    for standing in standings:
        if standing.status != Wait.FINAL:
            code = standing.code or Code.UNAVAILABLE
            raise CustodyError(
                Code(code), standing.detail or f"expected a final transaction, got {standing.status}"
            )
        receipts += sorted(standing.receipts, key=lambda receipt: receipt.place)
    return [
        Played(
            receipt.refusal or "", tuple(int(leg["code"]) for leg in receipt.outcomes), one.item.event_hash
        )
        for one, receipt in zip(prepared, receipts, strict=True)
    ]
