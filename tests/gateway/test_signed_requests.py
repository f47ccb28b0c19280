"""Requests signed with keys on the ledger: by the client's own code and by another implementation of RFC 9421."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms

from client.gateway import AsyncGateway
from client.protocol import Address
from client.request_signing import RequestSigner
from ledger.base.errors import Code, EntitlementError, FormError, UnavailableError
from ledger.base.keys import HybridKey, Signer, SigningKey, key_id
from ledger.chain.transaction import Kind
from ledger.members.constitution import ChangeKind
from ledger.members.members import Use
from ledger.members.registration import Act
from node.gateway.epcis.grants import Grants
from node.gateway.permissions import Role
from node.gateway.registry import RegistryView
from node.gateway.signed_requests import NONCES, Nonces, SignedRequests
from tests.gateway.epcis.epcis_stage import EpcisStage, play_epcis
from tests.gateway.stage import Stage, check_problem, play
from tests.world.council import Council
from tests.world.world import World, seed

ORIGIN = "https://gateway.example"
PATH = "/v1/genesis"
NOW_S = 1_780_000_000


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.s = NOW_S

    def ms(self) -> int:
        return self.s * 1000


class Scene:
    """A gateway that takes signed requests, and clients of it."""

    def __init__(self, stage: Stage, clock: Clock, organisation: str | None = "maker") -> None:
        self.stage = stage
        self.world: World = stage.world
        self.clock = clock
        self.nonces = Nonces(8)
        view = RegistryView(stage.gateway.validator, fresh_s=0)
        stage.gateway.callers.signed = SignedRequests(
            view, [ORIGIN, "http://127.0.0.1:8100"], clock.ms, organisation, nonces=self.nonces
        )
        del stage.http.headers["authorization"]

    def signer(self, key: Signer, *nonces: str) -> RequestSigner:
        given = list(nonces)
        drawn = {"draw": lambda _: given.pop(0)} if nonces else {}
        return RequestSigner(key, clock_s=lambda: self.clock.s, **drawn)

    def signed(
        self, key: Signer, method: str = "GET", url: str = ORIGIN + PATH, **options: Any
    ) -> httpx.Request:
        """A request as the client signs it."""
        request = httpx.Request(method, url, **options)
        request.read()
        return next(self.signer(key).auth_flow(request))

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self.stage.http.send(request)

    async def code(self, request: httpx.Request) -> tuple[int, str]:
        answer = await self.send(request)
        check_problem(answer)
        return answer.status_code, answer.json()["code"]


def act(folder: Path, does: Callable[[Scene], Awaitable[None]]) -> None:
    async def run(stage: Stage) -> None:
        await does(Scene(stage, Clock()))

    play(folder, run)


def test_a_members_software_reads_the_chain_at_anybodys_gateway(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        for key in (scene.world.keys["carrier"], scene.world.approvers["carrier"]):
            answer = await scene.send(scene.signed(key))
            assert (answer.status_code, answer.content) == (200, scene.stage.validator.genesis)
        assert await scene.code(scene.signed(scene.world.keys["carrier"], url=f"{ORIGIN}/v1/status")) == (
            403,
            "not_entitled",
        )
        assert (
            await scene.send(scene.signed(scene.world.keys["maker"], url=f"{ORIGIN}/v1/status"))
        ).status_code == 200

    act(tmp_path, does)


@pytest.mark.parametrize(
    ("who", "use", "roles"),
    [
        ("carrier", "sign", {Role.MEMBER}),
        ("customs", "sign", {Role.MEMBER, Role.AUTHORITY}),
        ("maker", "sign", {Role.MEMBER, Role.READER}),
        ("maker", "approver", {Role.MEMBER, Role.READER}),
    ],
)
def test_roles_are_those_of_the_organisation(tmp_path: Path, who: str, use: str, roles: set[Role]) -> None:
    async def does(scene: Scene) -> None:
        world = scene.world
        key = (world.keys if use == "sign" else world.approvers)[who]
        seen = []
        caller = scene.stage.gateway.callers.caller

        async def watched(connection: Any) -> Any:
            seen.append(await caller(connection))
            return seen[-1]

        scene.stage.gateway.callers.caller = watched  # type: ignore[method-assign]
        await scene.send(scene.signed(key))
        assert seen[0].organisation == who
        assert seen[0].roles - {Role.ANYONE, Role.NEIGHBOUR} == roles

    act(tmp_path, does)


def altered(request: httpx.Request, **changes: Any) -> httpx.Request:
    given: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "content": request.content or None,
    } | changes
    return httpx.Request(given.pop("method"), given.pop("url"), headers=request.headers, **given)


@pytest.mark.parametrize(
    "change",
    [
        {"url": f"{ORIGIN}/v1/registry"},
        {"url": f"{ORIGIN}{PATH}?at=1"},
        {"url": f"{ORIGIN}{PATH}?"},
        {"url": f"http://127.0.0.1:8100{PATH}"},
        {"url": f"https://other.example{PATH}"},
        {"content": b"a body"},
    ],
    ids=repr,
)
def test_what_is_altered_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    async def does(scene: Scene) -> None:
        request = scene.signed(scene.world.keys["carrier"])
        changed = altered(request, **change)
        changed.headers["host"] = changed.url.netloc.decode()
        if "content" in change:
            changed.headers["content-length"] = str(len(changed.content))
        if change.get("url", "").endswith("?"):
            # an empty query is none, to every client and server alike
            assert (await scene.send(changed)).status_code == 200
        else:
            assert await scene.code(changed) == (401, "unauthorised")

    act(tmp_path, does)


def test_a_request_to_another_gateway_is_none_to_this(tmp_path: Path) -> None:
    """A gateway that is asked hands on what it was shown, under its own name and under this one's."""

    async def does(scene: Scene) -> None:
        taken = scene.signed(scene.world.keys["carrier"], url=f"https://other.example{PATH}")
        for host in ("other.example", "gateway.example"):
            sent = httpx.Request("GET", f"https://{host}{PATH}", headers=taken.headers)
            sent.headers["host"] = host
            assert await scene.code(sent) == (401, "unauthorised")

    act(tmp_path, does)


def test_a_replay_is_refused_and_after_a_start_everything_that_is_older(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        request = scene.signed(scene.world.keys["carrier"])
        assert (await scene.send(request)).status_code == 200
        for later_s in (0, 299):
            scene.clock.s = NOW_S + later_s
            assert await scene.code(request) == (409, "repeated")
        scene.stage.gateway.callers.signed = SignedRequests(
            RegistryView(scene.stage.gateway.validator, fresh_s=0), [ORIGIN], scene.clock.ms
        )
        assert await scene.code(request) == (503, "unavailable")

    act(tmp_path, does)


@pytest.mark.parametrize(
    ("offset_s", "status"), [(-301, 401), (-300, 200), (0, 200), (300, 200), (301, 401)], ids=repr
)
def test_a_request_counts_for_five_minutes_either_way(tmp_path: Path, offset_s: int, status: int) -> None:
    async def does(scene: Scene) -> None:
        scene.clock.s = NOW_S + 1_000 + offset_s
        request = scene.signed(scene.world.keys["carrier"])
        scene.clock.s = NOW_S + 1_000
        assert (await scene.send(request)).status_code == status

    act(tmp_path, does)


def test_one_organisation_fills_its_own_room_only(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        for _ in range(8):
            assert (await scene.send(scene.signed(scene.world.keys["carrier"]))).status_code == 200
        for key in (scene.world.keys["carrier"], scene.world.approvers["carrier"]):
            assert await scene.code(scene.signed(key)) == (429, "overloaded")
        assert (await scene.send(scene.signed(scene.world.keys["forwarder"]))).status_code == 200
        scene.clock.s += 601
        assert (await scene.send(scene.signed(scene.world.keys["carrier"]))).status_code == 200

    act(tmp_path, does)


def test_a_nonce_is_remembered_for_as_long_as_a_request_from_the_future_may_count() -> None:
    nonces = Nonces()
    nonces.take("maker", b"one", NOW_S)
    with pytest.raises(EntitlementError):
        nonces.take("maker", b"one", NOW_S + 600)
    nonces.take("maker", b"one", NOW_S + 601)
    for number in range(NONCES - 1):
        nonces.take("maker", b"%d" % number, NOW_S + 601)
    with pytest.raises(UnavailableError):
        nonces.take("maker", b"more", NOW_S + 601)


def test_a_key_that_the_ledger_does_not_list_or_lists_for_another_use_is_refused(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        world = scene.world
        assert await scene.code(scene.signed(SigningKey(seed("a stranger")))) == (403, "unknown_key")
        assert await scene.code(scene.signed(world.devices["maker"])) == (403, "wrong_use")
        assert await scene.code(scene.signed(world.validator_keys[0])) == (403, "unknown_key")

    act(tmp_path, does)


def test_nobody_learns_of_a_key_without_having_it(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        world = scene.world
        for shown in (world.keys["carrier"], world.devices["maker"], SigningKey(seed("nobody's"))):
            request = scene.signed(SigningKey(seed("a stranger")))
            stranger = SigningKey(seed("a stranger")).public_key.hex()
            field = request.headers["signature-input"]
            request.headers["signature-input"] = field.replace(stranger, shown.public_key.hex())
            assert await scene.code(request) == (401, "unauthorised")

    act(tmp_path, does)


def test_a_revoked_or_compromised_key_and_a_suspended_member_are_refused_from_the_next_block_on(
    tmp_path: Path,
) -> None:
    async def does(scene: Scene) -> None:
        world = scene.world
        for who, item, code in (
            ("carrier", (int(Act.REVOKE), world.keys["carrier"].public_key, 1), "revoked"),
            ("forwarder", (int(Act.COMPROMISED), world.keys["forwarder"].public_key, 1), "compromised"),
        ):
            assert (await scene.send(scene.signed(world.keys[who]))).status_code == 200
            execution = world.commit(world.sign(who, item, kind=Kind.REGISTRATION, key=world.approvers[who]))
            assert execution.receipts[0].refusal == ""
            assert await scene.code(scene.signed(world.keys[who])) == (403, code)
            assert (await scene.send(scene.signed(world.approvers[who]))).status_code == 200
        council = Council()
        council.world = world
        council.pass_((int(ChangeKind.SUSPEND), "carrier", None))
        assert await scene.code(scene.signed(world.approvers["carrier"])) == (403, "suspended")

    act(tmp_path, does)


def test_without_the_validator_nobody_is_believed(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        scene.stage.validator.fault = (Code.UNAVAILABLE, "expected a validator")
        assert await scene.code(scene.signed(scene.world.keys["carrier"])) == (503, "unavailable")

    act(tmp_path, does)


def test_the_client_signs_each_attempt_anew(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        sent: list[httpx.Request] = []

        class Lossy(httpx.ASGITransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                sent.append(request)
                answer = await super().handle_async_request(request)
                if len(sent) == 1:
                    raise httpx.ReadError("the answer is lost", request=request)
                return answer

        async with AsyncGateway(
            [Address(ORIGIN)],
            signer=scene.signer(scene.world.keys["carrier"]),
            transport=Lossy(scene.stage.app),
        ) as gateway:
            assert await gateway.genesis() == scene.stage.validator.genesis
            assert len(sent) == 2
            (standing,) = await gateway.hand_in([scene.stage.made()])
            assert standing.status == "final"
            found = await gateway.subject("https://id.gs1.org/01/09521234000013/21/1")
            assert found
        with pytest.raises(FormError, match="got both"):
            AsyncGateway([Address(ORIGIN, "t")], signer=scene.signer(scene.world.keys["carrier"]))

    act(tmp_path, does)


# --- bodies


def _capture(scene_key: Signer, body: bytes, **changes: Any) -> httpx.Request:
    request = httpx.Request(
        "POST", ORIGIN + "/epcis/capture", content=body, headers={"content-type": "application/json", "gs1-epcis-version": "2.0.0"}
    )  # fmt: skip
    request = next(RequestSigner(scene_key, clock_s=lambda: NOW_S).auth_flow(request))
    if not changes:
        return request
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    return httpx.Request(
        "POST", request.url, headers=headers | changes.pop("fields", {}), content=changes.get("content", body)
    )


def test_a_body_is_compared_with_the_digest_as_it_comes(tmp_path: Path) -> None:
    async def does(stage: EpcisStage) -> None:
        gateway, world = stage.epcis.gateway, stage.world
        gateway.callers.signed = SignedRequests(gateway.registry, [ORIGIN], lambda: NOW_S * 1000, "maker")
        del stage.http.headers["authorization"]
        key, body = world.gateways["maker"], b'{"isA": "document of no form"}' * 4_000

        async def status(request: httpx.Request) -> int:
            return (await stage.http.send(request)).status_code

        async def parts(*given: bytes) -> Any:
            for part in given:
                yield part

        assert await status(_capture(key, body)) == 400  # taken in whole, and no document
        other = body[:-1] + b" "
        assert await status(_capture(key, body, content=other)) == 401
        assert await status(_capture(key, body, content=parts(body[:9], body[9:]))) == 400
        assert await status(_capture(key, body, content=parts(body[:9], other[9:]))) == 401
        assert await status(_capture(key, body, content=body[:-1])) == 401
        assert await status(_capture(key, body, fields={"content-digest": "sha-256=:AA==:"})) == 401
        assert await status(_capture(key, body, content=b"")) == 401
        assert await status(_capture(world.keys["maker"], body)) == 403  # a reader
        assert await status(_capture(world.keys["carrier"], body)) == 403

    play_epcis(tmp_path, does)


def test_another_method_is_another_request(tmp_path: Path) -> None:
    async def does(stage: EpcisStage) -> None:
        gateway, key = stage.epcis.gateway, stage.world.keys["maker"]
        gateway.callers.signed = SignedRequests(gateway.registry, [ORIGIN], lambda: NOW_S * 1000, "maker")
        del stage.http.headers["authorization"]
        request = httpx.Request("GET", ORIGIN + "/epcis/queries/one")
        request = next(RequestSigner(key, clock_s=lambda: NOW_S).auth_flow(request))
        changed = httpx.Request("DELETE", request.url, headers=request.headers)
        assert (await stage.http.send(changed)).status_code == 401
        assert (await stage.http.send(request)).status_code == 404

    play_epcis(tmp_path, does)


# --- another implementation


def _signer_of(key: SigningKey, keyid: str) -> HTTPMessageSigner:
    private = Ed25519PrivateKey.from_private_bytes(seed("sign carrier"))
    assert private.public_key().public_bytes_raw() == key.public_key
    return HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={keyid: private}),
    )


@pytest.mark.parametrize("label", ["sig1", "custody"])
def test_what_another_implementation_signs_is_accepted(tmp_path: Path, label: str) -> None:
    async def does(scene: Scene) -> None:
        key = scene.world.keys["carrier"]
        assert isinstance(key, SigningKey)
        keyid = key.public_key.hex()
        request = httpx.Request("GET", f"{ORIGIN}/v1/subjects?id=urn%3Aa%20b&x=%2F+")
        _signer_of(key, keyid).sign(
            request, key_id=keyid, nonce="0123456789abcdef", label=label, tag="custody-request",
            created=datetime.fromtimestamp(NOW_S, UTC), covered_component_ids=("@method", "@target-uri"),
        )  # fmt: skip
        assert (await scene.code(request))[0] in (400, 404)  # known, and asks for nothing there is
        assert await scene.code(request) == (409, "repeated")

    act(tmp_path, does)


@pytest.mark.parametrize(
    "other",
    [
        {"tag": None},
        {"tag": "custody-webhook"},
        {"nonce": None},
        {"nonce": "short"},
        {"include_alg": False},
        {"expires": datetime.fromtimestamp(NOW_S + 60, UTC)},
        {"covered_component_ids": ("@method",)},
        {"covered_component_ids": ("@method", "@path")},
        {"covered_component_ids": ("@method", "@target-uri", "host")},
        {"created": datetime.fromtimestamp(NOW_S, UTC) - timedelta(seconds=301)},
    ],
    ids=repr,
)
def test_a_signature_of_another_profile_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    async def does(scene: Scene) -> None:
        key = scene.world.keys["carrier"]
        assert isinstance(key, SigningKey)
        keyid = key.public_key.hex()
        request = httpx.Request("GET", ORIGIN + PATH)
        given: dict[str, Any] = {
            "nonce": "0123456789abcdef", "tag": "custody-request", "created": datetime.fromtimestamp(NOW_S, UTC),
            "covered_component_ids": ("@method", "@target-uri"),
        }  # fmt: skip
        _signer_of(key, keyid).sign(request, key_id=keyid, **(given | other))
        assert await scene.code(request) == (401, "unauthorised")

    act(tmp_path, does)


@pytest.mark.parametrize("body", [b"", b"\x91\xc0" * 100])
@pytest.mark.parametrize("kind", ["plain", "hybrid"])
def test_another_implementation_finds_what_is_signed_here_in_order(body: bytes, kind: str) -> None:
    key: Signer = SigningKey(seed("key"))
    if kind == "hybrid":
        key = HybridKey.from_seed(seed("key") + seed("lattice"))
    request = httpx.Request("POST" if body else "GET", f"{ORIGIN}:8443/v1/x?id=a%20b&c", content=body or None)
    request.read()
    signed = next(RequestSigner(key).auth_flow(request))
    named = key_id(key.public_key).hex()
    public = Ed25519PublicKey.from_public_bytes(key.public_key[:32])
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys={named: public}, private_keys={}),
    )
    arguments: dict[str, Any] = {"body": body} if body else {}
    (found,) = verifier.verify(signed, max_age=timedelta(minutes=5), **arguments)
    assert found.parameters["tag"] == "custody-request"
    wanted = {'"@method"', '"@target-uri"'} | ({'"content-digest"'} if body else set())
    assert wanted <= set(found.covered_components)


def test_hybrid_keys_sign_requests_with_their_plain_half(tmp_path: Path) -> None:
    """The registry says whose half it is: `keyid` is the id of the whole key."""
    world = World(hybrid=("",))
    key = world.keys["carrier"]

    class Validator:
        async def checkpoint(self) -> Any:
            raise UnavailableError(Code.UNKNOWN_BLOCK, "expected a block, there is none yet")

        async def registry(self) -> bytes:
            raise AssertionError

        async def genesis(self) -> bytes:
            return world.genesis.to_bytes()

    async def does(scene: Scene) -> None:
        scene.stage.gateway.callers.signed = SignedRequests(
            RegistryView(Validator()), [ORIGIN], scene.clock.ms
        )
        assert (await scene.send(scene.signed(key))).status_code == 200
        assert isinstance(key, HybridKey)
        assert (await scene.send(scene.signed(key.classical))).status_code == 403

    act(tmp_path, does)


def test_restricted_bytes_go_to_the_members_that_their_author_named(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        hashed = scene.stage.validator.hold(bytes(16), None, b"{}", ("maker", "customs"))
        url = f"{ORIGIN}/v1/events/{hashed.hex()}"
        for who, status in (("customs", 200), ("maker", 200), ("carrier", 404)):
            answer = await scene.send(scene.signed(scene.world.keys[who], url=url))
            assert (who, answer.status_code) == (who, status)

    act(tmp_path, does)


# --- the registry view


def test_the_registry_is_asked_for_only_when_it_changed(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        asked = scene.stage.validator.asked
        scene.world.commit()
        for _ in range(3):
            await scene.send(scene.signed(scene.world.keys["carrier"]))
            scene.world.commit()
        assert asked.count("GetRegistry") == 1
        view = RegistryView(scene.stage.gateway.validator, fresh_s=3_600)
        asked.clear()
        found = await asyncio.gather(*(view.in_force() for _ in range(10)))
        assert asked == ["GetCheckpoint", "GetRegistry"]
        assert len({one.height for one in found}) == 1

    act(tmp_path, does)


def test_a_prefix_granted_by_vote_is_known_to_the_gateway(tmp_path: Path) -> None:
    async def does(scene: Scene) -> None:
        grants = Grants(RegistryView(scene.stage.gateway.validator, fresh_s=0))
        await grants.load()
        assert (grants.length("952123400001"), grants.length("777777700001")) == (7, None)
        council = Council()
        council.world = scene.world
        council.pass_((int(ChangeKind.GRANT), "7777777", "carrier"))
        council.pass_((int(ChangeKind.GRANT), "9521234", None))
        await grants.load()
        assert (grants.length("952123400001"), grants.length("777777700001")) == (7, 7)

    act(tmp_path, does)


def test_uses_that_speak_for_an_organisation_sign_requests() -> None:
    from node.gateway.signed_requests import USES

    assert set(USES) == {Use.SIGN, Use.CAPTURE, Use.APPROVER}
