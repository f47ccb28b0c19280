"""A person approves acts in a real browser, on a real network: what is right is executed, what is not changes nothing."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, Route, expect
from typer.testing import CliRunner

from client.acts import done, sign_acts
from client.events.draft import Circumstances, Draft
from client.events.goods import make
from client.events.official import hold, release
from client.prepare import prepare
from client.protocol import Wait
from client.signing import Submission, sign
from client.spelling import Thing
from demonstration import cast
from demonstration.network import NetworkStage
from ledger.chain.transaction import Kind
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verdict import assess
from node.gateway.persons.cli import app as persons_command
from node.gateway.persons.service import invite
from node.gateway.persons.store import PersonStore
from tests.interop.chromium import Authenticator, browsing

CUSTOMS = cast.CUSTOMS
_RUN = "import sys; from client.cli import main; sys.exit(main())"


class Office:
    """Customs: their gateway, where a person approves releases, and goods that they hold."""

    def __init__(self, stage: NetworkStage) -> None:
        self.stage = stage
        self.folder = stage.folder(CUSTOMS)
        self.origin = stage.url(CUSTOMS).replace("127.0.0.1", "localhost")
        self.store = PersonStore(self.folder)
        self._items = iter(range(1, 100))

    def submit(self, signed: Submission) -> list[str]:
        standings = self.stage.gateway(CUSTOMS).submit(signed, Wait.FINAL)
        return [receipt.refusal or "" for one in standings for receipt in one.receipts]

    def signed(self, who: str, draft: Draft) -> Submission:
        prepared = [prepare(self.stage.genesis.network, draft)]
        return sign(self.stage.key(who, "sign"), who, prepared, now_ms=self.stage.now_ms())

    def at(self) -> Circumstances:
        return Circumstances(self.stage.now_ms(), place=cast.place(CUSTOMS))

    def held(self) -> Thing:
        """An item that customs hold from now on."""
        item = Thing(cast.item(next(self._items)))
        assert self.submit(self.signed(cast.MANUFACTURER, make(self.at(), [item]))) == [""]
        assert self.submit(
            self.signed(CUSTOMS, hold(self.at(), [item], case=cast.CASE, basis=cast.BASIS))
        ) == [""]
        return item

    def release(self, item: Thing) -> Submission:
        return self.signed(CUSTOMS, release(self.at(), [item], case=cast.CASE, basis=cast.BASIS))

    def link(self, act: Submission) -> str:
        (told,) = self.stage.gateway(CUSTOMS).ask_approval(act.request_body())["acts"]
        return str(told["link"])

    def demand_persons(self) -> None:
        policy = sign_acts(
            self.stage.key(CUSTOMS, "approver"), self.stage.genesis.network, CUSTOMS, Kind.REGISTRATION,
            [(7, ("release",))], now_ms=self.stage.now_ms(),
        )  # fmt: skip
        (standing,) = self.stage.gateway(CUSTOMS).hand_in([policy])
        done(standing)


@contextmanager
def opened(folder: Path) -> Iterator[Office]:
    with_persons = NetworkStage(folder / "network", gateways=(CUSTOMS,))
    office = Office(with_persons)
    with (office.folder / "node.toml").open("a") as settings:
        settings.write(f'\n[persons]\norigin = "{office.origin}"\n')
    with with_persons:
        yield office


def registered(office: Office, page: Page) -> None:
    page.goto(
        f"{office.origin}/approve#invitation={invite(office.store, 'duty officer', office.stage.now_ms())}"
    )
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Registered as person")


def approves(page: Page, link: str) -> str:
    """What the page says after the person pressed the button."""
    page.goto("about:blank")
    page.goto(link)
    page.get_by_role("button").click()
    said = page.get_by_role("status")
    expect(said).to_have_class(re.compile("done|refused"))
    return said.inner_text()


@contextmanager
def altered(page: Page, change: dict[str, Any]) -> Iterator[None]:
    """What a hostile page, or software between gateway and browser, makes of the options."""

    def alter(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["options"] |= change
        route.fulfill(response=answer, body=json.dumps(told))

    page.route("**/challenge", alter)
    try:
        yield
    finally:
        page.unroute("**/challenge")


def test_a_person_approves_a_release(tmp_path: Path, chromium: str) -> None:
    with opened(tmp_path) as office, browsing(chromium) as (page, authenticator):
        registered(office, page)
        office.demand_persons()
        check_refusals(office, page, authenticator)
        check_approved(office, page, authenticator)
        check_command(office, page)
        check_kept(office)


def check_refusals(office: Office, page: Page, authenticator: Authenticator) -> None:
    """Each is refused in one sentence, and changes nothing: the release waits as before."""
    item = office.held()
    act = office.release(item)
    link, other = office.link(act), office.release(item)
    assert office.submit(act) == ["not_approved"]

    wrong = bytes(other.signed[0].transaction.item_hashes[0])
    with altered(page, {"challenge": base64.urlsafe_b64encode(wrong).decode().rstrip("=")}):
        assert "over this very act" in approves(page, link)

    with altered(page, {"userVerification": "discouraged"}):
        authenticator.verify_user(is_verified=False)
        assert "verified" in approves(page, link)
    assert "no passkey was used" in approves(page, link)
    authenticator.verify_user(is_verified=True)

    assert "origin" in elsewhere(office, page, link)

    counter = authenticator.credential["signCount"]
    with office.store.changing() as known:
        known["persons"][0]["counter"] = counter + 10
    assert "sign count" in approves(page, link)
    with office.store.changing() as known:
        known["persons"][0]["counter"] = counter

    assert office.submit(office.release(item)) == ["not_approved"]
    assert "transaction" not in office.store.act(link.partition("#")[2].partition(".")[0])


def elsewhere(office: Office, page: Page, link: str) -> str:
    """A page of another origin of the same host has the person approve, and hands the assertion in."""
    act, _, secret = link.partition("#")[2].partition(".")
    with httpx.Client(base_url=office.stage.url(CUSTOMS), trust_env=False) as client:
        options = client.post(f"/v1/approvals/{act}/challenge", json={"secret": secret}).json()["options"]
        page.route(
            "http://localhost:9999/", lambda route: route.fulfill(body="<p>A page", content_type="text/html")
        )
        page.goto("http://localhost:9999/")
        credential = page.evaluate(
            """async options => (await navigator.credentials.get(
                 { publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON()""",
            options,
        )
        answer = client.post(
            f"/v1/approvals/{act}/assertion", json={"secret": secret, "credential": credential}
        )
    assert answer.status_code == 422
    return str(answer.json()["detail"])


def check_approved(office: Office, page: Page, authenticator: Authenticator) -> None:
    item = office.held()
    act, altered_act = office.release(item), office.release(item)
    link = office.link(act)
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("table")).to_contain_text("release")
    expect(page.locator("table")).to_contain_text(item.identifier.text)
    if folder := os.environ.get("CUSTODY_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/approve.png")
    assert "Approved, in block" in approves(page, link)
    if folder:
        page.screenshot(path=f"{folder}/approved.png")
    assert office.store.read()["persons"][0]["counter"] == authenticator.credential["signCount"]
    assert office.submit(altered_act) == ["not_approved"]
    assert office.submit(act) == [""]
    assert office.submit(Submission(act.network, act.signed)) == [""]  # the same transaction, told again
    bundle = office.stage.gateway(CUSTOMS).bundle([item.identifier.text])
    verdict = assess(bundle, anchor_from_genesis(office.stage.genesis), now_ms=office.stage.now_ms())
    assert any("approved by a person" in line for line in verdict.subjects[0].timeline)


def check_command(office: Office, page: Page) -> None:
    """`custody approve --submit` prints the link, waits for the person, and submits what was approved."""
    item = office.held()
    file = office.folder / "release.signed"
    file.write_bytes(office.release(item).to_bytes())
    command = [
        sys.executable,
        "-c",
        _RUN,
        "--config",
        str(office.folder / "custody.toml"),
        "approve",
        str(file),
        "--submit",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        link = running.stderr.readline().rpartition(": ")[2].strip()
        assert "Approved, in block" in approves(page, link)
        told, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "applied   release" in told


def check_kept(office: Office) -> None:
    """What was kept shows to an auditor that the hashes on the ledger are those of an assertion over the act."""
    run = CliRunner().invoke
    told = run(persons_command, ["check", "--folder", str(office.folder), "--json"])
    assert told.exit_code == 0
    one, another = json.loads(told.stdout)["approvals"]
    assert one["holds"]
    assert another["holds"]
    kept = office.store.act(one["act"])
    kept["assertion"]["signature"] = kept["assertion"]["signature"][:-2] + "00"
    office.store.keep_act(kept)
    assert run(persons_command, ["check", "--folder", str(office.folder)]).exit_code == 1
