"""The chapter of the consortium: a fifth organisation joins, keys are exchanged, a validator leaves, and shipments go on.

Everything is done with the `custody` command, each organisation in its own folder with its own keys. What is proven at the
end is checked by processes of their own that know the genesis and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from client.events.draft import Circumstances, Draft
from client.events.goods import make, pack
from client.events.handover import accept, offer
from client.events.notes import observe
from client.prepare import prepare
from client.protocol import Wait
from client.signing import sign
from client.spelling import Thing
from demonstration import cast
from demonstration.border import check
from demonstration.network import NetworkStage
from demonstration.stage import Played
from demonstration.telling import Teller
from demonstration.traffic import Traffic
from ledger.base.errors import Code, UnavailableError
from ledger.trade.identifiers import Identifier, canonical, container

WORKSHOP: Final = "workshop"
"""The fifth: a second shipper. Its id sorts behind the others', so its ports follow theirs."""
PREFIX: Final = "9527654"
_GLN: Final = cast.with_check_digit(PREFIX + "90001")
_GTIN: Final = cast.with_check_digit("0" + PREFIX + "00301")
_CASE: Final = canonical(f"https://id.gs1.org/00/{cast.with_check_digit(f'1{PREFIX}{1:09d}')}")
_ITEMS: Final = 20
_VOTERS: Final = (cast.MANUFACTURER, cast.FORWARDER, cast.CUSTOMS, cast.CARRIER)
"""Who votes yes, in this order, until it is enough: three of four, four of five."""
_GOOD: Final = (0, 4)


def _own(number: int) -> Identifier:
    """An item of the workshop."""
    return canonical(f"https://id.gs1.org/01/{_GTIN}/21/{number:05d}")


def _place(who: str) -> Identifier:
    return canonical(f"https://id.gs1.org/414/{_GLN}") if who == WORKSHOP else cast.place(who)


class Consortium:
    """The chapter on one stage: what each step does, and what was told of it."""

    def __init__(self, teller: Teller, stage: NetworkStage, output: Path) -> None:
        self._teller = teller
        self.stage = stage
        self.output = output
        self.steps: list[dict[str, Any]] = []
        self.bundles: dict[str, Identifier] = {}
        self.is_good = True

    # --- telling

    def step(self, who: str, what: str, do: Callable[[], str]) -> None:
        """Do one step and tell it."""
        begun = time.monotonic()
        outcome = do()
        took_ms = round((time.monotonic() - begun) * 1_000)
        self._teller.line(who, what, f"{outcome} ({took_ms / 1_000:.1f} s)")
        self.steps.append({"by": who, "what": what, "outcome": outcome, "took_ms": took_ms})

    def bundle(self, name: str, subject: Identifier) -> None:
        """Keep the file that proves a subject now."""
        self.bundles[name] = subject
        (self.output / f"{name}.custody").write_bytes(self.stage.bundle([subject]))

    # --- votes

    def vote(self, proposer: str, *change: str | Path, because: str) -> tuple[str, str]:
        """Propose a change and let organisations vote for it until it is enacted: its id, and what is told of it."""
        said = json.loads(
            self.stage.custody(proposer, "govern", "propose", *change, "--reason", because, "--json")
        )
        voted = said
        for who in _VOTERS:
            voted = json.loads(self.stage.custody(who, "govern", "vote", said["id"], "yes", "--json"))
            if voted["status"] == "enacted":
                return str(said["id"]), f"{len(voted['ballots'])} voted yes"
        raise UnavailableError(Code.UNAVAILABLE, f"expected the vote to pass, it is {voted['status']}")

    # --- goods

    def submit(self, who: str, *drafts: Draft) -> list[Played]:
        """Sign and submit; every event has to be executed."""
        played = self.stage.submit(who, list(drafts))
        for one in played:
            self.is_good &= not one.refusal
        return played

    def at(self, who: str) -> Circumstances:
        """Here and now."""
        return Circumstances(self.stage.now_ms(), place=_place(who))


def _things(identifiers: Sequence[Identifier]) -> list[Thing]:
    return [Thing(identifier) for identifier in identifiers]


def play(teller: Teller, output: Path) -> bool:
    """Play the chapter; whether everything came out as told."""
    started = time.monotonic()
    teller.title("A network of four, and shipments under way")
    with NetworkStage(output / "network") as stage:
        anchor = output / "genesis.custody"
        anchor.write_bytes(stage.genesis.to_bytes())
        chapter = Consortium(teller, stage, output)
        with Traffic(stage) as traffic:
            for part in (_before, _voted_in, _joins, _between, _keys, _leaves, _after):
                part(chapter)
        passed = traffic.passed
        chapter.is_good &= passed.lost == 0 and passed.final > 0
        teller.say(
            f"{passed.final} shipments went on meanwhile, {passed.lost} of them lost; the slowest was final in {passed.longest_ms} ms"
        )
        chapter.bundle("meanwhile", cast.item(passed.last))
        (output / "registry.custody").write_bytes(stage.gateway(cast.CUSTOMS).registry())
        log = stage.custody(
            cast.CUSTOMS, "govern", "log", "--registry", (output / "registry.custody").resolve(), "--json"
        )
    teller.title("The network is stopped: what the files prove from the genesis")
    good = chapter.is_good
    found = {}
    for name, subject in chapter.bundles.items():
        checked = check(anchor, output / f"{name}.custody")
        good &= checked.exit_code in _GOOD
        teller.verdict(f"{name}: {checked.headline}", checked.exit_code)
        found[name] = {
            "subject": subject.text, "exit_code": checked.exit_code, "headline": checked.headline, "check": checked.command,
        }  # fmt: skip
    teller.found |= {
        "steps": chapter.steps, "meanwhile": passed._asdict(), "errors": traffic.errors[:5], "bundles": found,
        "votes": json.loads(log),
    }  # fmt: skip
    teller.found["figures"] = {"seconds": round(time.monotonic() - started, 1)}
    return good


def _refusal(stage: NetworkStage, who: str, key: str, draft: Draft) -> str:
    """The code with which an event signed with a certain key is refused, "" if it is executed."""
    prepared = [prepare(stage.genesis.network, draft)]
    submission = sign(stage.key(who, key), who, prepared, now_ms=stage.now_ms())
    (standing,) = stage.gateway(who).submit(submission, Wait.FINAL)
    return standing.code or next((one.refusal for one in standing.receipts if one.refusal), "")


# --- the parts


def _before(chapter: Consortium) -> None:
    def ship() -> str:
        who = cast.MANUFACTURER
        items = [cast.item(number) for number in range(1, _ITEMS + 1)]
        chapter.submit(
            who, make(chapter.at(who), _things(items)), pack(chapter.at(who), cast.case(1), _things(items))
        )
        chapter.submit(who, offer(chapter.at(who), _things([cast.case(1)]), cast.party(cast.FORWARDER)))
        chapter.submit(cast.FORWARDER, accept(chapter.at(cast.FORWARDER), _things([cast.case(1)])))
        return "made, packed, handed over"

    chapter.step(cast.MANUFACTURER, f"{_ITEMS} items in a case, to the forwarder", ship)
    chapter.bundle("before", cast.item(1))


def _voted_in(chapter: Consortium) -> None:
    stage, output = chapter.stage, chapter.output
    folder, validator, gateway = stage.expect(WORKSHOP)
    peers = (output / "peers.toml").resolve()

    def found() -> str:
        peers.write_text(stage.custody(cast.FORWARDER, "node", "peers"))
        stage.custody(
            cast.FORWARDER, "node", "join", folder.resolve(), "--organisation", WORKSHOP, "--genesis", "genesis.custody",
            "--network", stage.genesis.network.hex(), "--peers", peers, "--listen", validator, "--gateway", gateway,
            "--unsealed",
        )  # fmt: skip
        return "its own keys, none of them seen by anybody else"

    def apply() -> str:
        application = (output / "application.toml").resolve()
        authority = stage.key(WORKSHOP, "authority").public_key.hex()
        application.write_text(
            f'id = "{WORKSHOP}"\nname = "Workshop"\ncountry = "IN"\nroles = ["manufacturer", "validator"]\n'
            f'parties = ["https://id.gs1.org/417/{_GLN}"]\nauthority = "{authority}"\nvote = true\n'
        )
        why = "a second shipper for the same container"
        return chapter.vote(cast.FORWARDER, "add", application, because=why)[1]

    def grant() -> str:
        return chapter.vote(cast.FORWARDER, "grant", PREFIX, WORKSHOP, because="its GS1 company prefix")[1]

    chapter.step(WORKSHOP, "makes its folder and keys", found)
    chapter.step(cast.FORWARDER, "proposes the fifth organisation", apply)
    chapter.step(cast.FORWARDER, f"proposes that it holds company prefix {PREFIX}", grant)


def _joins(chapter: Consortium) -> None:
    stage = chapter.stage
    near = ("--gateway", stage.url(cast.FORWARDER))

    def enrol() -> str:
        for use in ("sign", "device", "approver"):
            stage.custody(WORKSHOP, "authority", "enrol", f"keys/{use}.key", "--use", use, *near)
        return "three certificates of its own authority, checked once, on the ledger"

    def run() -> str:
        table = (stage.folder(WORKSHOP) / "peer.toml").resolve()
        table.write_text(stage.custody(WORKSHOP, "node", "peers", "--own"))
        for who in cast.ORGANISATIONS:
            with (stage.folder(who) / "node.toml").open("a") as settings:
                settings.write("\n" + table.read_text())
            stage.custody(who, "node", "reload")
        stage.join(WORKSHOP)
        return "caught up, follows"

    def seat() -> str:
        return _change_validators(chapter, 1, (*cast.ORGANISATIONS, WORKSHOP))

    chapter.step(WORKSHOP, "enrols its keys", enrol)
    chapter.step(WORKSHOP, "starts its node; the others learn its address without a stop", run)
    chapter.step(cast.CUSTOMS, "proposes it as the fifth validator", seat)


def _change_validators(chapter: Consortium, epoch: int, who: Sequence[str]) -> str:
    stage, output = chapter.stage, chapter.output
    seats = []
    for one in who:
        path = (output / f"seat-{one}-{epoch}.json").resolve()
        stage.custody(one, "node", "epoch-key", "--epoch", str(epoch), "-o", path, "--unsealed")
        seats.append(path)
    change = (output / f"change-{epoch}.custody").resolve()
    stage.custody(cast.CUSTOMS, "node", "propose-change", *seats, "-o", change)
    voted, told = chapter.vote(cast.CUSTOMS, "validators", change, because=f"the validators of epoch {epoch}")
    return f"{told}; {stage.custody(cast.CUSTOMS, 'govern', 'enact', voted).strip()}"


def _between(chapter: Consortium) -> None:
    box = container(cast.CONTAINER)

    def ship() -> str:
        items = _things([_own(number) for number in range(1, _ITEMS + 1)])
        at = chapter.at
        chapter.submit(WORKSHOP, make(at(WORKSHOP), items), pack(at(WORKSHOP), _CASE, items))
        chapter.submit(WORKSHOP, offer(at(WORKSHOP), _things([_CASE]), cast.party(cast.FORWARDER)))
        chapter.submit(cast.FORWARDER, accept(at(cast.FORWARDER), _things([_CASE])))
        return "made under its own prefix, handed over"

    def consolidate() -> str:
        both = _things([cast.case(1), _CASE])
        chapter.submit(cast.FORWARDER, pack(chapter.at(cast.FORWARDER), box, both))
        return "two shippers' cases in one container"

    chapter.step(WORKSHOP, f"{_ITEMS} items of its own in a case, to the forwarder", ship)
    chapter.step(cast.FORWARDER, f"consolidates both into container {cast.CONTAINER}", consolidate)
    chapter.bundle("between", _own(1))


def _keys(chapter: Consortium) -> None:
    stage = chapter.stage
    who = cast.FORWARDER

    def rotate() -> str:
        stage.custody(who, "keys", "create", "keys/sign-2.key", "--use", "sign", "--unencrypted")
        stage.custody(who, "authority", "enrol", "keys/sign-2.key", "--use", "sign")
        seen = observe(chapter.at(who), _things([container(cast.CONTAINER)]), step="storing")
        for name in ("sign-2", "sign"):  # both hold for a while: nothing under way is refused
            chapter.is_good &= not _refusal(stage, who, name, seen)
        stage.custody(who, "authority", "revoke", "keys/sign.key", "--reason", "superseded")
        return "the new one signs, the old one is revoked"

    def lose() -> str:
        stage.custody(cast.CARRIER, "authority", "revoke", "keys/device.key", "--reason", "key_compromise")
        return "revoked from the next block on"

    def refused() -> str:
        box = _things([container(cast.CONTAINER)])
        code = _refusal(stage, who, "sign", offer(chapter.at(who), box, cast.party(cast.CARRIER)))
        chapter.is_good &= code == Code.REVOKED
        return f"refused: {code}"

    chapter.step(who, "exchanges its signing key", rotate)
    chapter.step(cast.CARRIER, "lost a scanner: its device key", lose)
    chapter.step("attacker", "signs an offer with the forwarder's old key", refused)


def _leaves(chapter: Consortium) -> None:
    left = tuple(who for who in (*cast.ORGANISATIONS, WORKSHOP) if who != cast.CARRIER)
    chapter.step(
        cast.CUSTOMS,
        "proposes the next validators, without the carrier",
        lambda: _change_validators(chapter, 2, left),
    )


def _after(chapter: Consortium) -> None:
    stage = chapter.stage
    box = _things([container(cast.CONTAINER)])

    def hand_over() -> str:
        who = cast.FORWARDER
        chapter.stage.hand_in_at(cast.CARRIER, who)  # its own node follows, and takes nothing in any more
        chapter.is_good &= not _refusal(
            stage, who, "sign-2", offer(chapter.at(who), box, cast.party(cast.CARRIER))
        )
        chapter.submit(cast.CARRIER, accept(chapter.at(cast.CARRIER), box))
        return "the carrier, a member still, accepts"

    chapter.step(cast.FORWARDER, "hands the container over, signed with its new key", hand_over)
    chapter.bundle("after", _own(2))
    chapter.bundle("container", container(cast.CONTAINER))
