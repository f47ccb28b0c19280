"""HTTP Message Signatures (RFC 9421) by Ed25519 keys of the ledger, for whoever signs and whoever checks.

A *profile* is a tag and a list of covered components; a signature counts only under the profile that it was made for. What covers the
message is exact, what does not is free: the label, and the order of parameters, are the signer's. RFC 9421 registers no lattice
signatures: of a hybrid key the Ed25519 half signs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ledger.base.errors import Code, SignatureError
from ledger.base.keys import HybridKey, Signer, check_signature, is_hybrid

LABEL: Final = "custody"
"""Of the signatures made here."""
INPUT: Final = "signature-input"
SIGNATURE: Final = "signature"
DIGEST: Final = "content-digest"
_DESCRIBED: Final = re.compile(
    r'([a-z*][a-z0-9_.*-]{0,31})=(\(([a-z0-9@" -]{1,512})\)((?:;[a-z]{1,8}=(?:[0-9]{1,11}|"[A-Za-z0-9_+/=.-]{1,128}")){1,8}))'
)
_PARAMETER: Final = re.compile(r';([a-z]+)=(?:([0-9]+)|"([^"]*)")')
_SIGNATURE: Final = re.compile(r"([a-z*][a-z0-9_.*-]{0,31})=:([A-Za-z0-9+/]{86}==):")
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{64}")


class Shown(NamedTuple):
    """What a signature says of itself; nothing of it is true before `check`."""

    parameters: str
    """As they came: the last line of what was signed."""
    key_id: bytes
    created_s: int
    nonce: str | None
    signature: bytes

    def check(self, public_key: bytes, components: Iterable[tuple[str, str]]) -> None:
        """Raise SignatureError(bad_signature) unless this key signed these components, by name and value."""
        check_signature(public_key, _base(components, self.parameters), self.signature)


def content_digest(body: bytes) -> str:
    """The value of Content-Digest for a body (RFC 9530 §2)."""
    return digest_field(hashlib.sha256(body).digest())


def digest_field(digest: bytes) -> str:
    """The value of Content-Digest for a SHA-256."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def signed(
    key: Signer,
    key_id: bytes,
    tag: str,
    components: Sequence[tuple[str, str]],
    created_s: int,
    nonce: str | None = None,
) -> dict[str, str]:
    """The header fields that sign a message, of which `components` are covered. SignatureError for a key that cannot."""
    half = key.classical if isinstance(key, HybridKey) else key
    if is_hybrid(half.public_key):
        raise SignatureError(
            Code.BAD_KEY, "expected a key whose Ed25519 half signs alone, got one that cannot"
        )
    covered = " ".join(f'"{name}"' for name, _ in components)
    once = "" if nonce is None else f';nonce="{nonce}"'
    parameters = f'({covered});created={created_s};keyid="{key_id.hex()}";alg="ed25519"{once};tag="{tag}"'
    signature = half.sign(_base(components, parameters))
    return {
        INPUT: f"{LABEL}={parameters}",
        SIGNATURE: f"{LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def shown(fields: Mapping[str, str], tag: str, names: Sequence[str], *, is_once: bool = False) -> Shown:
    """The one signature in header fields (by lower-case name) of the profile `tag` over `names`; `is_once`: with a nonce.

    SignatureError bad_signature unless that is what is there.
    """
    described = _DESCRIBED.fullmatch(fields.get(INPUT, ""))
    made = _SIGNATURE.fullmatch(fields.get(SIGNATURE, ""))
    covered = " ".join(f'"{name}"' for name in names)
    missing = [name for name in names if not name.startswith("@") and name not in fields]
    if missing or described is None or made is None or made[1] != described[1] or described[3] != covered:
        raise _other(tag, covered, f"no {missing[0]}" if missing else "another signature, or none")
    pairs = [(found[1], found[2] or found[3]) for found in _PARAMETER.finditer(described[4])]
    said = dict(pairs)
    wanted = {"created", "keyid", "alg", "tag"} | ({"nonce"} if is_once else set())
    if len(pairs) != len(said) or said.keys() != wanted or said["tag"] != tag or said["alg"] != "ed25519":
        raise _other(tag, covered, "other parameters")
    if _SECONDS.fullmatch(said["created"]) is None or _KEY_ID.fullmatch(said["keyid"]) is None:
        raise _other(tag, covered, "another created or keyid")
    signature = base64.b64decode(made[2])
    return Shown(
        described[2], bytes.fromhex(said["keyid"]), int(said["created"]), said.get("nonce"), signature
    )


def _other(tag: str, covered: str, came: str) -> SignatureError:
    return SignatureError(
        Code.BAD_SIGNATURE, f"expected a message signed as {tag} says, over {covered}, got {came}"
    )


def _base(components: Iterable[tuple[str, str]], parameters: str) -> bytes:
    """The signature base (RFC 9421 §2.5)."""
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("utf-8", "replace")
