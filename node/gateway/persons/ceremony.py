"""What authenticators answer, checked (WebAuthn Level 3 §7.1, §7.2), and the hashes that go to the ledger (PERSONS.md §2).

The relying party is this gateway's origin. User verification is always required: possession of the device is not enough. The
challenge of an approval is the act's hash itself, so an assertion approves that act and no other; a counter that does
not grow betrays a copied authenticator and is refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NamedTuple

import cbor2
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.hashing import Tag, tagged_hash

ALGORITHMS: Final = [COSEAlgorithmIdentifier.EDDSA, COSEAlgorithmIdentifier.ECDSA_SHA_256]
_THUMBPRINT_LABELS: Final = {1: (1, -1, -2), 2: (1, -1, -2, -3)}
"""RFC 9679 §4: the required parameters by key type (OKP, EC2)."""
_VERIFIED: Final = UserVerificationRequirement.REQUIRED


class Party(NamedTuple):
    """The relying party: where the page is served, and the domain that passkeys are bound to."""

    origin: str
    rp_id: str


class Passkey(NamedTuple):
    """A registered credential."""

    credential: bytes
    public_key: bytes
    """COSE_Key (RFC 9053)."""
    counter: int


class Assertion(NamedTuple):
    """What an authenticator signed: enough to verify it again years later."""

    credential: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes

    def hashed(self, network: bytes) -> bytes:
        """The assertion hash that stands on the ledger."""
        return tagged_hash(Tag.ASSERTION, network, encode(self))


def credential_hash(network: bytes, credential: bytes) -> bytes:
    """The pseudonym of a credential on this network."""
    return tagged_hash(Tag.CREDENTIAL, network, credential)


def thumbprint(public_key: bytes) -> bytes:
    """The COSE key thumbprint (RFC 9679, SHA-256) of a COSE_Key; FormError for a type that is not taken."""
    try:
        members = cbor2.loads(public_key)
        chosen = {label: members[label] for label in _THUMBPRINT_LABELS[members[1]]}
    except (cbor2.CBORDecodeError, KeyError, TypeError) as error:
        raise FormError(
            Code.BAD_KEY, f"expected a COSE key of type OKP or EC2: {type(error).__name__}"
        ) from None
    return hashlib.sha256(cbor2.dumps(chosen, canonical=True)).digest()


def creation_options(
    party: Party, name: str, challenge: bytes, person: bytes, known: list[bytes]
) -> dict[str, Any]:
    """What a browser needs to make a passkey."""
    options = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=name,
        user_id=person,
        user_name=f"person {person.hex()[:8]}",
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=_VERIFIED
        ),
        supported_pub_key_algs=ALGORITHMS,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
    )
    return _json(webauthn.options_to_json(options))


def request_options(party: Party, act: bytes, known: list[bytes]) -> dict[str, Any]:
    """What a browser needs to have an act approved: its hash is the challenge."""
    options = webauthn.generate_authentication_options(
        rp_id=party.rp_id,
        challenge=act,
        allow_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
        user_verification=_VERIFIED,
    )
    return _json(webauthn.options_to_json(options))


def register(party: Party, challenge: bytes, credential: Any) -> Passkey:
    """The passkey that a browser made; SignatureError unless all of WebAuthn §7.1 holds."""
    try:
        made = webauthn.verify_registration_response(
            credential=_object(credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    except WebAuthnException as error:
        raise SignatureError(
            Code.BAD_SIGNATURE, f"expected a passkey made here by a verified person: {error}"
        ) from None
    except Exception as error:  # noqa: BLE001 - what decoders of others make of bytes nobody foresaw
        raise FormError(Code.MALFORMED, f"expected a new credential, got {type(error).__name__}") from None
    thumbprint(made.credential_public_key)
    return Passkey(made.credential_id, made.credential_public_key, made.sign_count)


def approve(party: Party, act: bytes, passkey: Passkey, credential: Any) -> tuple[Assertion, int]:
    """The assertion by which a passkey approved `act`, and its counter; SignatureError unless all of WebAuthn §7.2 holds."""
    given = _object(credential)
    try:
        parsed = parse_authentication_credential_json(given)
        verified = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=act,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.counter,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        raise SignatureError(
            Code.BAD_SIGNATURE, f"expected a verified person's assertion over this very act: {error}"
        ) from None
    except Exception as error:  # noqa: BLE001 - likewise
        raise FormError(Code.MALFORMED, f"expected an assertion, got {type(error).__name__}") from None
    answer = parsed.response
    assertion = Assertion(
        passkey.credential, answer.authenticator_data, answer.client_data_json, answer.signature
    )
    return assertion, verified.new_sign_count


def check_again(party: Party, act: bytes, public_key: bytes, kept: Assertion) -> None:
    """Raise SignatureError unless an assertion that was kept holds over `act` under `public_key`; its counter aside."""
    name = bytes_to_base64url(kept.credential)
    given = {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "response": {
            "authenticatorData": bytes_to_base64url(kept.authenticator_data),
            "clientDataJSON": bytes_to_base64url(kept.client_data),
            "signature": bytes_to_base64url(kept.signature),
        },
        "clientExtensionResults": {},
    }
    approve(party, act, Passkey(kept.credential, public_key, 0), given)


def credential_id(credential: Any) -> bytes:
    """The id of the credential that an assertion names; FormError."""
    name = _object(credential).get("rawId")
    try:
        if isinstance(name, str) and len(name) <= 2_048:
            return base64url_to_bytes(name)
    except ValueError:
        pass
    raise FormError(Code.MALFORMED, "expected an assertion with the credential's rawId in base64url")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormError(
            Code.MALFORMED, "expected a public key credential as a JSON object, got another value"
        )
    return value


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
