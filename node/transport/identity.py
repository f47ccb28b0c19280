"""Who is at the other end: TLS 1.3 with both sides authenticated by pinned Ed25519 keys (WIRE_TRANSPORT.md §2).

Seats and registry pin peers' public keys, not certificates. TLS libraries, though, trust certificates. So each side makes one trust
anchor per pinned key: a certificate whose subject is the key's name and whose key is the pinned key. Nobody can have signed
it with the pinned key, and nobody needs to: an anchor is trusted because it is in the store, and its signature is not looked
at. Each side presents a leaf certificate for its own key, issued by that key under the name of its anchor. So

- the library verifies, inside the handshake and on both sides, that the leaf is signed by a pinned key, and that the peer
  holds the leaf's key (CertificateVerify); no certificate, a stranger's, a forged one: the handshake fails;
- `peer_key` then reads the leaf's key, which must itself be pinned: a pinned key cannot vouch for another.

Certificates hold nothing else: no dates that matter, no names of hosts. Session tickets are off, so every connection proves
its key anew. The private key reaches the library through a temporary file encrypted under a one-time password.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from ledger.base.errors import Code, SignatureError
from ledger.base.keys import SigningKey

ALPN: Final = "custody/1"
_LEAF_NAME: Final = "custody node"
_FROM: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_UNTIL: Final = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
"""RFC 5280 §4.1.2.5: no well-defined expiration. A wrong clock must not cut a node off; pins are what counts."""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: str, issuer: str, public_key: Ed25519PublicKey, signer: Ed25519PrivateKey, *, is_anchor: bool
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(
            x509.BasicConstraints(ca=is_anchor, path_length=0 if is_anchor else None), critical=True
        )
        .sign(signer, None)
    )


class Identity:
    """This node's transport key and its TLS certificate. Its representation shows no secret."""

    def __init__(self, key: SigningKey, network: bytes) -> None:
        """`key`: a transport key that peers pin; not the key that votes. `network`: its id, 32 bytes."""
        self.public_key = key.public_key
        self.network = network
        self._private = Ed25519PrivateKey.from_private_bytes(key.seed)
        self._leaf = _certificate(
            _LEAF_NAME, self.public_key.hex(), self._private.public_key(), self._private, is_anchor=False
        )

    def __repr__(self) -> str:
        return f"Identity({self.public_key.hex()[:16]}...)"

    def _context(self, protocol: int, pinned: Iterable[bytes]) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # keys are pinned; names and addresses say nothing here
        context.verify_mode = ssl.CERT_REQUIRED
        context.options |= ssl.OP_NO_TICKET
        context.set_alpn_protocols([ALPN])
        anchors = b"".join(self._anchor(public_key) for public_key in sorted(set(pinned)))
        if anchors:
            context.load_verify_locations(cadata=anchors)
        self._load_certificate(context)
        return context

    def _anchor(self, public_key: bytes) -> bytes:
        """The trust anchor of a pinned key, DER; signed by ourselves, since it must be signed by somebody."""
        name = public_key.hex()
        pinned = Ed25519PublicKey.from_public_bytes(public_key)
        anchor = _certificate(name, name, pinned, self._private, is_anchor=True)
        return anchor.public_bytes(serialization.Encoding.DER)

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        password = os.urandom(32).hex().encode()
        data = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        ) + self._leaf.public_bytes(serialization.Encoding.PEM)
        with tempfile.TemporaryDirectory(prefix="custody-") as folder:  # 0700
            path = Path(folder) / "identity.pem"
            path.write_bytes(data)
            context.load_cert_chain(path, password=password)

    def server_context(self, pinned: Iterable[bytes]) -> ssl.SSLContext:
        """A context that accepts connections of the pinned keys only."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER, pinned)
        context.num_tickets = 0
        return context

    def client_context(self, pinned: Iterable[bytes]) -> ssl.SSLContext:
        """A context for dialling the one peer that has any of these keys."""
        return self._context(ssl.PROTOCOL_TLS_CLIENT, pinned)


def peer_key(connection: ssl.SSLObject | ssl.SSLSocket) -> bytes:
    """The Ed25519 public key (32 bytes) that the peer of a finished handshake proved to hold."""
    if connection.version() != "TLSv1.3" or connection.selected_alpn_protocol() != ALPN:
        raise SignatureError(Code.BAD_KEY, f"expected TLS 1.3 and {ALPN}, got {connection.version()}")
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        raise SignatureError(Code.BAD_KEY, "expected the peer's certificate, got none")
    public_key = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(public_key, Ed25519PublicKey):
        raise SignatureError(Code.BAD_KEY, "expected a peer with an Ed25519 key, got another kind of key")
    return public_key.public_bytes_raw()
