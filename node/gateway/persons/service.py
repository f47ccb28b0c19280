"""Passkeys in, approvals out (PERSONS.md §4): what the routes and the command stand on.

An act is handed in by its author, signed, before it is submitted. This gateway computes its hash and its words itself and keeps
them; whoever has the link sees the words and approves with a passkey. The approval is signed with the capture key, which must
not be the act's, and handed to the validator. Nothing here can make an act happen: its author submits it, once approved.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ledger.base.errors import (
    Code,
    CustodyError,
    EntitlementError,
    FormError,
    RuleError,
    SignatureError,
    UnavailableError,
)
from ledger.base.keys import Signer
from ledger.chain.transaction import NONCE_BYTES, Kind, sign_transaction, transaction_from_bytes
from ledger.state.approval import Approval
from node.gateway.persons import ceremony
from node.gateway.persons.acts import act_lines
from node.gateway.persons.ceremony import Assertion, Party, Passkey
from node.gateway.persons.store import PersonStore
from node.gateway.submission import parse_submissions
from node.local.protocol import State, TransactionStatus

INVITATION_MS: Final = 3_600_000
"""How long an invitation to register a passkey is open."""
WAITING: Final = 256
"""Acts that may wait for approval at a time."""
LIFETIME_MS: Final = 30 * 60_000
_SECRET_BYTES: Final = 24

Submit = Callable[[bytes], Awaitable[TransactionStatus]]


def party_of(origin: str) -> Party:
    """The relying party at an origin, as `https://approve.example`; FormError unless browsers allow passkeys there."""
    scheme, _, rest = origin.partition("://")
    host = rest.partition(":")[0]
    if not host or "/" in rest or (scheme != "https" and (scheme, host) != ("http", "localhost")):
        raise FormError(
            Code.MALFORMED,
            f"persons.origin: expected https://host[:port], or http://localhost:port, got {origin[:80]!a}",
        )
    return Party(origin, host)


def invite(store: PersonStore, label: str, now_ms: int) -> str:
    """A new invitation, good once and for an hour: whoever has it registers one passkey."""
    ticket = secrets.token_urlsafe(_SECRET_BYTES)
    with store.changing() as known:
        known["invitations"] = [one for one in known["invitations"] if one["until_ms"] > now_ms]
        known["invitations"].append(
            {
                "digest": _digest(ticket),
                "until_ms": now_ms + INVITATION_MS,
                "label": label,
                "person": secrets.token_hex(16),
                "challenge": None,
            }
        )
    return ticket


def remove(store: PersonStore, person: str) -> None:
    """Let this person approve nothing more; their key stays, to verify what they approved. UnavailableError not_found."""
    with store.changing() as known:
        found = [one for one in known["persons"] if one["person"].startswith(person)] if person else []
        if len(found) != 1:
            raise UnavailableError(
                Code.NOT_FOUND, f"expected the id of one person, {len(found)} begin with {person[:32]!a}"
            )
        found[0]["removed"] = True


def check_kept(party: Party, network: bytes, act: dict[str, Any]) -> dict[str, Any]:
    """Whether an approval that is kept holds: its assertion over the act, under its key, and the hashes it put on the ledger."""
    try:
        assertion = Assertion(*(bytes.fromhex(act["assertion"][name]) for name in Assertion._fields))
        public_key = bytes.fromhex(act["public_key"])
        ceremony.check_again(party, bytes.fromhex(act["act"]), public_key, assertion)
        approval = approval_of(network, bytes.fromhex(act["act"]), public_key, assertion)
        transaction = transaction_from_bytes(bytes.fromhex(act["transaction"]), network)
        transaction.check_signature()
        if transaction.items != (tuple(approval),):
            raise SignatureError(
                Code.BAD_SIGNATURE, "expected the hashes that were put on the ledger, got others"
            )
    except (CustodyError, ValueError, KeyError) as error:
        return {"holds": False, "reason": str(error)}
    return {"holds": True, "reason": ""}


def approval_of(network: bytes, act: bytes, public_key: bytes, assertion: Assertion) -> Approval:
    """What goes to the ledger of an assertion."""
    return Approval(
        act,
        ceremony.credential_hash(network, assertion.credential),
        ceremony.thumbprint(public_key),
        assertion.hashed(network),
    )


class Persons:
    """The ceremonies of one gateway."""

    def __init__(
        self,
        store: PersonStore,
        party: Party,
        network: bytes,
        organisation: str,
        key: Signer,
        submit: Submit,
        clock_ms: Callable[[], int],
    ) -> None:
        """`key`: the organisation's capture key. `submit`: hands a transaction in and waits until it is final or refused."""
        self._store = store
        self._party = party
        self._network = network
        self._organisation = organisation
        self._key = key
        self._submit = submit
        self._clock_ms = clock_ms

    # --- passkeys

    def begin_registration(self, invitation: str) -> dict[str, Any]:
        """Options to make a passkey with."""
        with self._store.changing() as known:
            found = self._invitation(known, invitation)
            challenge = secrets.token_bytes(32)
            found["challenge"] = challenge.hex()
            person = bytes.fromhex(found["person"])
            credentials = [bytes.fromhex(one["credential"]) for one in known["persons"]]
        return ceremony.creation_options(self._party, self._organisation, challenge, person, credentials)

    def register(self, invitation: str, credential: Any) -> dict[str, Any]:
        """Take in the passkey that was made; the invitation is used up."""
        with self._store.changing() as known:
            found = self._invitation(known, invitation)
            if found["challenge"] is None:
                raise FormError(Code.MALFORMED, "expected a challenge to be asked for first, none was")
            passkey = ceremony.register(self._party, bytes.fromhex(found["challenge"]), credential)
            if any(one["credential"] == passkey.credential.hex() for one in known["persons"]):
                raise RuleError(Code.REPEATED, "expected a new passkey, this one is registered already")
            known["invitations"].remove(found)
            known["persons"].append(
                {
                    "person": found["person"],
                    "label": found["label"],
                    "credential": passkey.credential.hex(),
                    "public_key": passkey.public_key.hex(),
                    "counter": passkey.counter,
                    "removed": False,
                }
            )
        return {"person": found["person"], "thumbprint": ceremony.thumbprint(passkey.public_key).hex()}

    def _invitation(self, known: dict[str, Any], ticket: str) -> dict[str, Any]:
        now_ms, digest = self._clock_ms(), _digest(ticket)
        for one in known["invitations"]:
            if hmac.compare_digest(one["digest"], digest) and one["until_ms"] > now_ms:
                found: dict[str, Any] = one
                return found
        raise EntitlementError(
            Code.UNAUTHORISED,
            "expected an invitation that is open, got another; ask the operator for a new one",
        )

    # --- acts

    def hand_in(self, body: bytes) -> list[dict[str, Any]]:
        """Acts of this organisation, signed, in the form in which they are submitted; for each the link to approve it."""
        self._forget_expired()
        submissions, _ = parse_submissions(body, self._network)
        acts = self._store.acts()
        approved = {one["act"] for one in acts if "transaction" in one}
        made: list[dict[str, Any]] = []
        for submission in submissions:
            transaction = transaction_from_bytes(submission.transaction, self._network)
            header = transaction.header
            if header.organisation != self._organisation:
                raise EntitlementError(
                    Code.NOT_ENTITLED,
                    f"expected acts of {self._organisation}, got one of {header.organisation}; ask its own gateway",
                )
            if header.public_key == self._key.public_key:
                raise EntitlementError(
                    Code.NOT_APPROVED,
                    "expected acts signed by another key than this gateway's: the key that approves may not act",
                )
            for place in range(header.item_count):
                ticket = secrets.token_urlsafe(_SECRET_BYTES)
                act = transaction.item_hashes[place].hex()
                if act in approved:
                    raise RuleError(Code.REPEATED, f"expected acts that nobody approved yet, got {act}")
                made.append(
                    {
                        "act": act,
                        "lines": act_lines(transaction, place),
                        "digest": _digest(ticket),
                        "until_ms": header.expiry_ms,
                        "link": f"{self._party.origin}/approve#{act}.{ticket}",
                    }
                )
        if len(acts) - len(approved) + len(made) > WAITING:
            raise UnavailableError(
                Code.OVERLOADED, f"expected at most {WAITING} acts waiting for approval; try again later"
            )
        for one in made:
            self._store.keep_act({name: value for name, value in one.items() if name != "link"})
        return [{"act": one["act"], "lines": one["lines"], "link": one["link"]} for one in made]

    def begin_approval(self, act: str, ticket: str) -> dict[str, Any]:
        """The words of an act, and options to approve it with."""
        found = self._waiting(act, ticket)
        known = [one for one in self._store.read()["persons"] if not one["removed"]]
        if not known:
            raise UnavailableError(
                Code.NOT_FOUND, "expected a registered passkey, there is none; the operator invites persons"
            )
        credentials = [bytes.fromhex(one["credential"]) for one in known]
        options = ceremony.request_options(self._party, bytes.fromhex(act), credentials)
        return {"act": act, "lines": found["lines"], "options": options}

    async def approve(self, act: str, ticket: str, credential: Any) -> dict[str, Any]:
        """Check the assertion, keep it, and put the approval on the ledger; what became of it.

        An assertion that holds is kept before anything is submitted, so a validator that is away costs no second one.
        """
        found = self._waiting(act, ticket)
        if "transaction" not in found:
            found |= self._asserted(bytes.fromhex(act), credential)
            self._store.keep_act(found)
        return await self._settle(found)

    async def status(self, act: str) -> dict[str, Any]:
        """What became of an act; an approval that did not reach the ledger yet is handed in again."""
        found = self._store.act(act)
        return await self._settle(found) if "transaction" in found else _told(found, "waiting")

    def _waiting(self, act: str, ticket: str) -> dict[str, Any]:
        try:
            found = self._store.act(act)
        except UnavailableError:
            found = {"digest": "", "until_ms": 0}
        if not hmac.compare_digest(found["digest"], _digest(ticket)):
            raise EntitlementError(
                Code.UNAUTHORISED,
                "expected the link of an act that waits here, got another; ask for a new one",
            )
        if found["until_ms"] <= self._clock_ms():
            raise RuleError(Code.EXPIRED, "expected an act that has not expired; have it signed anew")
        return found

    def _asserted(self, act: bytes, credential: Any) -> dict[str, Any]:
        """What to keep of an assertion that holds: itself, the key it holds under, and the signed approval."""
        given = ceremony.credential_id(credential).hex()
        with self._store.changing() as known:
            person = next(
                (one for one in known["persons"] if one["credential"] == given and not one["removed"]), None
            )
            if person is None:
                raise EntitlementError(Code.UNKNOWN_KEY, "expected a passkey registered here, got another")
            public_key = bytes.fromhex(person["public_key"])
            passkey = Passkey(bytes.fromhex(given), public_key, person["counter"])
            assertion, person["counter"] = ceremony.approve(self._party, act, passkey, credential)
        approval = approval_of(self._network, act, public_key, assertion)
        transaction = sign_transaction(
            self._key,
            self._network,
            self._organisation,
            (tuple(approval),),
            nonce=secrets.token_bytes(NONCE_BYTES),
            expiry_ms=self._clock_ms() + LIFETIME_MS,
            kind=Kind.APPROVAL,
        )
        return {
            "person": person["person"],
            "public_key": public_key.hex(),
            "assertion": {name: value.hex() for name, value in assertion._asdict().items()},
            "transaction": transaction.to_bytes().hex(),
            "id": transaction.id.hex(),
        }

    async def _settle(self, found: dict[str, Any]) -> dict[str, Any]:
        if found.get("height") is not None:
            return _told(found, "approved")
        try:
            status = await self._submit(bytes.fromhex(found["transaction"]))
        except (TimeoutError, UnavailableError):
            return _told(found, "signed")
        refusal = status.code if status.state == State.REFUSED else ""
        refusal = refusal or next((one.refusal for one in status.receipts if one.refusal), "")
        if refusal:
            self._store.forget_act(found["act"])
            raise CustodyError(
                Code(refusal), f"expected the ledger to take the approval, it refused: {refusal}"
            )
        if status.state != State.FINAL:
            return _told(found, "signed")
        found["height"] = status.height
        self._store.keep_act(found)
        return _told(found, "approved")

    def _forget_expired(self) -> None:
        now_ms = self._clock_ms()
        for one in self._store.acts():
            if "transaction" not in one and one["until_ms"] <= now_ms:
                self._store.forget_act(one["act"])


def _told(found: dict[str, Any], status: str) -> dict[str, Any]:
    told = {"act": found["act"], "status": status, "lines": found["lines"]}
    return told | {name: found[name] for name in ("id", "height") if name in found}


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).hexdigest()
