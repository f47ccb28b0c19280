"""What an organisation changes of its own: keys, delegates, licences, as items of kind REGISTRATION (KEYS.md).

    [0, certificate, hybrid key | nil, possession, endorsement | nil]
                                                         enrol a key; anybody may carry it, the certificate authorises it
    [1, key id, reason]                                  revoke a key
    [2, key id, since height]                            mark a key as compromised: what it signed since is flagged
    [3, public key, document, until ms, possession]      list a one-time key for one consignment
    [5, prefix, organisation, until ms | nil]            license an organisation to make under one's prefix
    [6, prefix, organisation]                            end a licence
    [7, acts]                                            name the acts that a person must approve (PERSONS.md)

Invariants: a key that ever stood in the registry never stands there anew, whosever it was, but to be marked as
compromised; every key shows that somebody holds it (`possession`), so that nobody can use up a stranger's. Everything
holds from the next height. Who may act is judged by the registry in force, what stands by the draft of the block: a key that ended in it amends
nothing after that, nor does an authority's certify, or what a vote or a revocation ends could be put back in the same block.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from ledger.base import limits
from ledger.base.encoding import encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, EntitlementError, FormError, RuleError, SignatureError
from ledger.base.hashing import HASH_BYTES, Tag, tagged_hash
from ledger.base.keys import (
    HYBRID_PUBLIC_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    is_hybrid,
    is_signature,
    is_valid_public_key,
    key_id,
    take_public_key,
    take_signature,
)
from ledger.members.certificate import Certificate, certificate_from_bytes, fingerprint
from ledger.members.constitution import electorate_of
from ledger.members.draft import Author, RegistryDraft
from ledger.members.members import Key, Members, Use, holder_of, key_from_data, licence_name
from ledger.members.policy import POLICY_ITEM, REGISTRATION_ACTS, set_policy
from ledger.members.registry import Kind

ENROLLED: Final = (Use.SIGN, Use.DEVICE, Use.CAPTURE, Use.APPROVER, Use.TRANSPORT)
"""Uses of keys that certificates enrol; validators' keys are delivered for an epoch, an authority's is voted in."""


class Act(IntEnum):
    """What an item does."""

    ENROL = 0
    REVOKE = 1
    COMPROMISED = 2
    DELEGATE = 3
    LICENSE = 5
    END_LICENCE = 6
    POLICY = POLICY_ITEM


class Reason(IntEnum):
    """Why a key is revoked (RFC 5280 §5.3.1)."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5


def apply_registration(draft: RegistryDraft, members: Members, author: Author, raw: Any) -> None:
    """Execute one item; a CustodyError refuses it and leaves `draft` to be rolled back by the caller."""
    act, *fields = take_array(raw, "registration", most=5) or (None,)
    do = _ACTS.get(act) if type(act) is int else None
    if do is None:
        raise FormError(
            Code.MALFORMED, f"registration: expected one of the acts {', '.join(map(str, _ACTS))}"
        )
    execute, count = do
    if len(fields) != count:
        raise FormError(
            Code.MALFORMED, f"registration {act}: expected {count + 1} fields, got {len(fields) + 1}"
        )
    execute(draft, members, author, *fields)


def enrolment_message(
    network: bytes, organisation: str, identifier: bytes, certificate: bytes | None
) -> bytes:
    """What a key signs to show that it is held: for whom, its key id, and the certificate's fingerprint if there is one."""
    return tagged_hash(Tag.ENROLMENT, network, encode((organisation, identifier, certificate)))


# --- keys


def _enrol(
    draft: RegistryDraft,
    members: Members,
    author: Author,
    data: Any,
    hybrid_key: Any,
    possession: Any,
    endorsement: Any,
) -> None:
    certificate = certificate_from_bytes(take_bytes(data, "certificate", most=limits.CERTIFICATE_BYTES))
    public_key = _certified_key(certificate, hybrid_key)
    _check_use(certificate, draft, author, is_plain=hybrid_key is None)
    _check_carrier(certificate.subject, members, author)
    authority = check_issued(members, certificate, author.time_ms)
    check_stands(draft, certificate.authority_key_id)
    if authority.hybrid_key is not None:
        message = endorsement_message(author.network, data)
        if not is_signature(authority.hybrid_key, message, take_signature(endorsement, "endorsement")):
            raise SignatureError(
                Code.BAD_SIGNATURE,
                "expected the authority's hybrid signature over the certificate, it does not hold",
            )
    elif members.asks_for_hybrid:
        raise SignatureError(
            Code.BAD_KEY,
            f"expected the authority of {certificate.subject} to have a hybrid key, as this network asks for, it has a plain "
            "one; have another voted in its place",
        )
    elif endorsement is not None:
        raise FormError(Code.MALFORMED, "endorsement: expected none by an authority with a plain key")
    certificate_hash = fingerprint(data)
    message = enrolment_message(author.network, certificate.subject, certificate.key_id, certificate_hash)
    _check_new_key(draft, public_key, message, possession)
    validity = (certificate.not_before_ms, certificate.not_after_ms)
    draft.set(
        Kind.KEY,
        certificate.key_id.hex(),
        (certificate.subject, certificate.use, None, None, validity, certificate_hash, hybrid_key),
    )


def check_stands(draft: RegistryDraft, public_key: bytes) -> None:
    """Raise SignatureError where an earlier act of the block ended the key (or the one with that id), or marked it."""
    name = key_id(public_key).hex()
    data = draft.get(Kind.KEY, name)
    if data is None:
        raise SignatureError(
            Code.REVOKED, f"expected a key in force, got {name[:16]}, which this block ended before"
        )
    if key_from_data(data).compromised_since is not None:
        raise SignatureError(
            Code.COMPROMISED,
            f"expected a key in good standing, got {name[:16]}, which is marked as compromised",
        )


def _check_carrier(who: str, members: Members, author: Author) -> None:
    """Raise EntitlementError where others may not carry a certificate: what bars its organisation's own acts bars these."""
    if who == author.organisation:
        return
    suspension = members.suspension(who, author.time_ms)
    if suspension is not None:
        raise EntitlementError(
            Code.SUSPENDED, f"expected a certificate of a member in good standing, {who} is suspended"
        )
    if REGISTRATION_ACTS[Act.ENROL] in members.policy(who):
        raise EntitlementError(
            Code.NOT_APPROVED,
            f"expected {who} to enrol its keys itself, since its policy demands a person's approval of that, "
            f"got its certificate from {author.organisation}",
        )


def _certified_key(certificate: Certificate, hybrid_key: Any) -> bytes:
    """The public key that a certificate is for: its own, or the hybrid one that comes beside it."""
    public_key = certificate.public_key
    if hybrid_key is not None:
        public_key = take_bytes(hybrid_key, "hybrid key", HYBRID_PUBLIC_KEY_BYTES)
    if public_key[:PUBLIC_KEY_BYTES] != certificate.public_key or key_id(public_key) != certificate.key_id:
        raise EntitlementError(
            Code.BAD_KEY, "expected the key whose id the certificate names, with all its halves, got another"
        )
    return public_key


def _check_use(certificate: Certificate, draft: RegistryDraft, author: Author, *, is_plain: bool) -> None:
    use, who = Use(certificate.use), certificate.subject
    if use not in ENROLLED:
        raise EntitlementError(
            Code.WRONG_USE,
            f"expected a certificate for one of the uses {', '.join(one.name for one in ENROLLED)}, got one for {use.name}",
        )
    if use in (Use.DEVICE, Use.TRANSPORT) and not is_plain:
        raise EntitlementError(
            Code.WRONG_USE, f"expected a plain Ed25519 key for {use.name}, got a hybrid one"
        )
    if draft.get(Kind.ORGANISATION, who) is None:
        raise EntitlementError(Code.NOT_ENTITLED, f"expected a member's certificate, got one of {who!r}")
    if use == Use.APPROVER and who not in electorate_of(draft, len(author.seats)).organisations:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected an organisation with a vote to have an approver's key, {who} has none",
        )


def endorsement_message(network: bytes, certificate: bytes) -> bytes:
    """What an authority whose key is hybrid signs with both halves: its certificate bears the Ed25519 signature only."""
    return tagged_hash(Tag.CERTIFICATE, network, certificate)


def check_issued(members: Members, certificate: Certificate, time_ms: int) -> Key:
    """The registration of the subject's own authority, if that issued the certificate and it is valid at `time_ms`."""
    who = certificate.subject
    if certificate.authority_key_id == certificate.key_id:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected a certificate by the authority of {who}, got a self-signed one"
        )
    authority = members.key(certificate.authority_key_id)
    if (
        authority is None
        or authority.use != Use.AUTHORITY
        or not authority.organisation == who == certificate.issuer
    ):
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected a certificate by the authority of {who}, got one by {certificate.issuer!a} "
            f"with key {certificate.authority_key_id.hex()[:16]}, which is not its",
        )
    authority.check_in_force(time_ms)
    signer = (authority.hybrid_key or certificate.authority_key_id)[:PUBLIC_KEY_BYTES]
    if not is_signature(signer, certificate.to_be_signed(), certificate.signature):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected a certificate that the authority of {who} signed, its signature does not hold",
        )
    if time_ms < certificate.not_before_ms:
        raise SignatureError(
            Code.NOT_YET_VALID,
            f"expected a certificate valid at block time {time_ms}, got one valid from {certificate.not_before_ms}",
        )
    if time_ms > certificate.not_after_ms:
        raise SignatureError(
            Code.KEY_EXPIRED,
            f"expected a certificate valid at block time {time_ms}, got one valid until {certificate.not_after_ms}",
        )
    return authority


def _check_new_key(draft: RegistryDraft, public_key: bytes, message: bytes, possession: Any) -> None:
    name = key_id(public_key).hex()
    take_signature(possession, "possession")
    if not is_valid_public_key(public_key):
        raise SignatureError(Code.BAD_KEY, f"expected a valid public key, got {name[:16]}")
    for kind in (Kind.KEY, Kind.VALIDATOR):
        if draft.get(kind, name) is not None or draft.entry(kind, name) is not None:
            raise SignatureError(
                Code.BAD_KEY, f"expected a key never used before, got {name[:16]}; make a new one"
            )
    if not is_signature(public_key, message, possession):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected a signature by the key {name[:16]} over its enrolment, it does not hold",
        )


def _revoke(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    named: Any,
    reason: Any,
) -> None:
    name = take_bytes(named, "key id", HASH_BYTES).hex()
    if take_int(reason, "reason") not in list(Reason):
        raise FormError(
            Code.MALFORMED, f"reason: expected one of {', '.join(map(str, Reason))}, got {reason}"
        )
    data = draft.get(Kind.KEY, name)
    if data is None:
        raise EntitlementError(Code.UNKNOWN_KEY, f"expected a key in force, got {name[:16]}")
    key = key_from_data(data)
    _check_own(author, key)
    if author.use == Use.SIGN and named != key_id(author.public_key) and key.use != Use.DELEGATE:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            "expected a signing key to revoke itself or a delegate's, got another; the authority's or an approver's may",
        )
    draft.set(Kind.KEY, name, None)


def _mark_compromised(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    named: Any,
    since: Any,
) -> None:
    name = take_bytes(named, "key id", HASH_BYTES).hex()
    take_int(since, "since height", 0, author.height)
    data, entry = draft.get(Kind.KEY, name), draft.entry(Kind.KEY, name)
    if data is None and entry is not None:
        data = entry.periods[-1].data  # revoked, and so it stays: a marked key is never in force
    if data is None:
        raise EntitlementError(Code.UNKNOWN_KEY, f"expected a key that is or was registered, got {name[:16]}")
    key = key_from_data(data)
    _check_own(author, key)
    if key.compromised_since is not None and key.compromised_since <= since:
        raise RuleError(
            Code.NOT_APPLICABLE,
            f"expected a height before {key.compromised_since}, from which the key is marked already, got {since}",
        )
    draft.set(Kind.KEY, name, (*data[:2], since, *data[3:]))


def _check_own(author: Author, key: Key) -> None:
    if key.organisation != author.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected a key of {author.organisation}, got one of {key.organisation}"
        )


def _delegate(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    public_key: Any,
    document: Any,
    until_ms: Any,
    possession: Any,
) -> None:
    take_public_key(public_key, "public key")
    take_ascii(document, "document", limits.IDENTIFIER_BYTES)
    _check_until(author, until_ms, limits.DELEGATION_MAX_MS)
    message = enrolment_message(author.network, author.organisation, key_id(public_key), None)
    _check_new_key(draft, public_key, message, possession)
    hybrid_key = public_key if is_hybrid(public_key) else None
    data = (author.organisation, int(Use.DELEGATE), None, (document, until_ms), None, None, hybrid_key)
    draft.set(Kind.KEY, key_id(public_key).hex(), data)


# --- licences


def _license(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    prefix: Any,
    organisation: Any,
    until_ms: Any,
) -> None:
    _check_holder(draft, author, prefix)
    if take_ascii(organisation, "organisation", 32) == author.organisation:
        raise RuleError(
            Code.NOT_ENTITLED, f"expected another organisation, {organisation} holds {prefix} itself"
        )
    if draft.get(Kind.ORGANISATION, organisation) is None:
        raise RuleError(Code.NOT_ENTITLED, f"expected a member to license, got {organisation!r}")
    if until_ms is not None:
        _check_until(author, until_ms, None)
    draft.set(Kind.GRANT, prefix, (author.organisation, True))
    draft.set(Kind.LICENCE, licence_name(prefix, organisation), (author.organisation, until_ms))


def _end_licence(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    prefix: Any,
    organisation: Any,
) -> None:
    _check_holder(draft, author, prefix)
    name = licence_name(prefix, take_ascii(organisation, "organisation", 32))
    if draft.get(Kind.LICENCE, name) is None:
        raise RuleError(
            Code.NOT_ENTITLED, f"expected a licence of {organisation} under {prefix}, there is none"
        )
    draft.set(Kind.LICENCE, name, None)


def _check_holder(draft: RegistryDraft, author: Author, prefix: Any) -> None:
    grant = draft.get(Kind.GRANT, take_ascii(prefix, "prefix", limits.IDENTIFIER_BYTES))
    if holder_of(grant) != author.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected the holder of the prefix {prefix} to sign this, got {author.organisation}",
        )


def _check_until(author: Author, until_ms: Any, most_ms: int | None) -> None:
    if take_int(until_ms, "until_ms", 0, 2**53) <= author.time_ms:
        raise RuleError(Code.EXPIRED, f"expected an end after block time {author.time_ms}, got {until_ms}")
    if most_ms is not None and until_ms > author.time_ms + most_ms:
        raise RuleError(
            Code.LIMIT,
            f"expected an end at most {most_ms} ms ahead of block time {author.time_ms}, got {until_ms}",
        )


# --- persons


def _set_policy(
    draft: RegistryDraft,
    members: Members,  # noqa: ARG001
    author: Author,
    acts: Any,
) -> None:
    set_policy(draft, author, acts)


_ACTS: Final[dict[int, tuple[Callable[..., None], int]]] = {
    Act.ENROL: (_enrol, 4),
    Act.REVOKE: (_revoke, 2),
    Act.COMPROMISED: (_mark_compromised, 2),
    Act.DELEGATE: (_delegate, 4),
    Act.LICENSE: (_license, 3),
    Act.END_LICENCE: (_end_licence, 2),
    Act.POLICY: (_set_policy, 1),
}
"""What executes an act, and how many fields it takes."""
