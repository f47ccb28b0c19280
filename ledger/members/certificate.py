"""The one profile of X.509 certificates by which an organisation's authority vouches for a key (KEYS.md §2, RFC 5280).

Libraries differ on what they accept of X.509, and a ledger whose replicas differ on one certificate forks. So there is one
form only, and one way to read it: take the fields out, write the certificate anew from them, require the same bytes.

    version 3 · serial number 1 .. 2^159 - 1 · Ed25519 (RFC 8410)
    issuer   O = organisation id, CN = "authority"
    validity UTCTime until 2049, GeneralizedTime from 2050, whole seconds, Z
    subject  O = organisation id, CN = label (1 .. 64 printable ASCII characters, spaces allowed)
    key      Ed25519
    extensions, in this order and no others:
        authority key identifier   key id of the authority's key
        subject key identifier     key id of the key: of a plain key the key itself, of a hybrid one the hash of both halves
        basic constraints          critical, no authority
        key usage                  critical, digital signature
        extended key usage         critical, one purpose: USE_ARC.n, n the use (`members.Use`)

The key identifiers are the key ids of the registry, so that the authority is looked up by one of them. A certificate is
judged once, in execution, when its key is enrolled; afterwards the registry alone counts.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from ledger.base.calendar import date_from_days, days_from_date
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.base.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, HybridKey, Signer, key_id
from ledger.base.limits import CERTIFICATE_BYTES
from ledger.members.members import Use, check_organisation_id

LABEL_CHARACTERS: Final = 64
AUTHORITY_LABEL: Final = "authority"
SERIAL_BITS: Final = 159
"""RFC 5280 §4.1.2.2: at most 20 octets, the first bit of which is the sign."""
USE_ARC: Final = "2.25.169149706361915801552198042163080688400"
"""Of purposes: an arc from a random UUID, which needs no registration (ITU-T X.667 §6)."""

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _UTF8 = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0C
_UTC_TIME, _GENERALIZED_TIME, _SEQUENCE, _SET = 0x17, 0x18, 0x30, 0x31
_VERSION, _EXTENSIONS, _KEY_IDENTIFIER = 0xA0, 0xA3, 0x80
_DAY_SECONDS: Final = 86_400


class Certificate(NamedTuple):
    """What a certificate of the profile says."""

    serial: int
    issuer: str
    """The organisation whose authority signed it."""
    authority_key_id: bytes
    not_before_ms: int
    not_after_ms: int
    subject: str
    """The organisation whose key it is."""
    label: str
    public_key: bytes
    key_id: bytes
    use: int
    """`members.Use`."""
    signature: bytes = bytes(SIGNATURE_BYTES)

    def to_be_signed(self) -> bytes:
        """The DER of all but the signature: what the authority signs."""
        return _to_be_signed(self)

    def to_bytes(self) -> bytes:
        """The certificate's DER."""
        signature = _element(_BITS, b"\0" + self.signature)
        return _element(_SEQUENCE, self.to_be_signed(), _ALGORITHM, signature)


def classical_half(authority: Signer) -> Signer:
    """What signs certificates of an authority: its Ed25519 key, or that half of a hybrid one."""
    return authority.classical if isinstance(authority, HybridKey) else authority


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate's DER, untagged: as every tool shows it."""
    return hashlib.sha256(certificate).digest()


def certificate_from_bytes(data: bytes) -> Certificate:
    """Parse a certificate; FormError unless it is exactly of the profile. Its signature is not judged here."""
    if len(data) > CERTIFICATE_BYTES:
        raise FormError(
            Code.TOO_LARGE, f"certificate: expected at most {CERTIFICATE_BYTES} bytes, got {len(data)}"
        )
    try:
        found = _parse(data)
    except (ValueError, IndexError, OverflowError):
        raise _another_form() from None
    _check_fields(found)
    if found.to_bytes() != data:
        raise _another_form()
    return found


def _another_form() -> FormError:
    return FormError(
        Code.MALFORMED, "certificate: expected DER of the ledger's profile of X.509, got another form"
    )


def _check_fields(found: Certificate) -> None:
    check_organisation_id(found.issuer)
    check_organisation_id(found.subject)
    if not 1 <= found.serial < 1 << SERIAL_BITS:
        raise FormError(Code.MALFORMED, f"certificate: expected a serial number of 1 .. 2^{SERIAL_BITS} - 1")
    if not 1 <= len(found.label) <= LABEL_CHARACTERS or any(not " " <= one <= "~" for one in found.label):
        raise FormError(
            Code.MALFORMED,
            f"certificate: expected a label of 1 .. {LABEL_CHARACTERS} printable ASCII characters",
        )
    if not 0 <= found.not_before_ms <= found.not_after_ms:
        raise FormError(
            Code.MALFORMED, "certificate: expected a validity that begins in or after 1970, before it ends"
        )
    if not 0 <= found.use <= max(Use):
        raise FormError(Code.WRONG_USE, f"certificate: expected the purpose {USE_ARC}.0 .. {max(Use):d}")


# --- writing DER


def _element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _object_identifier(text: str) -> bytes:
    first, second, *rest = (int(arc) for arc in text.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        content += bytes(reversed(digits))
    return _element(_OID, content)


_ED25519: Final = _object_identifier("1.3.101.112")
_ALGORITHM: Final = _element(_SEQUENCE, _ED25519)
_ORGANISATION: Final = _object_identifier("2.5.4.10")
_COMMON_NAME: Final = _object_identifier("2.5.4.3")
_CRITICAL: Final = _element(_BOOLEAN, b"\xff")
_PURPOSES: Final = tuple(_object_identifier(f"{USE_ARC}.{use:d}") for use in Use)


def _integer(value: int) -> bytes:
    return _element(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _name(organisation: str, label: str) -> bytes:
    pairs = ((_ORGANISATION, organisation), (_COMMON_NAME, label))
    return _element(
        _SEQUENCE,
        *(_element(_SET, _element(_SEQUENCE, what, _element(_UTF8, text.encode()))) for what, text in pairs),
    )


def _time(milliseconds: int) -> bytes:
    days, second = divmod(milliseconds // 1_000, _DAY_SECONDS)
    year, month, day = date_from_days(days)
    rest = f"{month:02}{day:02}{second // 3600:02}{second // 60 % 60:02}{second % 60:02}Z".encode()
    if year < 2050:
        return _element(_UTC_TIME, f"{year % 100:02}".encode(), rest)
    return _element(_GENERALIZED_TIME, f"{year:04}".encode(), rest)


def _extension(identifier: str, value: bytes, *, critical: bool) -> bytes:
    mark = _CRITICAL if critical else b""
    return _element(_SEQUENCE, _object_identifier(identifier), mark, _element(_OCTETS, value))


def _to_be_signed(made: Certificate) -> bytes:
    authority = _element(_SEQUENCE, _element(_KEY_IDENTIFIER, made.authority_key_id))
    return _with_extensions(
        made,
        _extension("2.5.29.35", authority, critical=False),
        _extension("2.5.29.14", _element(_OCTETS, made.key_id), critical=False),
        _extension("2.5.29.19", _element(_SEQUENCE), critical=True),
        _extension("2.5.29.15", _element(_BITS, b"\x07\x80"), critical=True),
        _extension("2.5.29.37", _element(_SEQUENCE, _PURPOSES[made.use]), critical=True),
    )


def _with_extensions(made: Certificate, *extensions: bytes) -> bytes:
    return _element(
        _SEQUENCE,
        _element(_VERSION, _integer(2)),
        _integer(made.serial),
        _ALGORITHM,
        _name(made.issuer, AUTHORITY_LABEL),
        _element(_SEQUENCE, _time(made.not_before_ms), _time(made.not_after_ms)),
        _name(made.subject, made.label),
        _element(_SEQUENCE, _ALGORITHM, _element(_BITS, b"\0" + made.public_key)),
        _element(_EXTENSIONS, _element(_SEQUENCE, *extensions)),
    )


def authority_certificate(
    organisation: str, authority: Signer, serial: int, not_before_ms: int, not_after_ms: int
) -> bytes:
    """The authority's own certificate (DER), for other tools to follow a chain to. The ledger knows an authority by its key."""
    identifier, classical = key_id(authority.public_key), classical_half(authority)
    made = Certificate(
        serial,
        organisation,
        identifier,
        not_before_ms,
        not_after_ms,
        organisation,
        AUTHORITY_LABEL,
        classical.public_key,
        identifier,
        Use.AUTHORITY,
    )
    _check_fields(made)
    signed = _with_extensions(
        made,
        _extension("2.5.29.14", _element(_OCTETS, identifier), critical=False),
        _extension("2.5.29.19", _element(_SEQUENCE, _CRITICAL, _integer(0)), critical=True),
        _extension("2.5.29.15", _element(_BITS, b"\x02\x04"), critical=True),
    )
    return _element(_SEQUENCE, signed, _ALGORITHM, _element(_BITS, b"\0" + classical.sign(signed)))


# --- taking fields out of DER; what they take apart is written anew and compared, so nothing more is checked here


class _Elements:
    """Elements one after another. ValueError where another tag stands, or the bytes end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, *tags: int) -> bytes:
        """The content of the next element, which has one of these tags."""
        if self._data[self._at] not in tags:
            raise ValueError
        size, begin = self._data[self._at + 1], self._at + 2
        if size >= 0x80:
            begin += size & 0x7F
            size = int.from_bytes(self._data[self._at + 2 : begin], "big")
        self._at = begin + size
        if self._at > len(self._data):
            raise ValueError
        return self._data[begin : self._at]

    def skip(self, tag: int) -> None:
        """Pass over the next element if it has this tag."""
        if self._data[self._at] == tag:
            self.take(tag)

    def within(self, tag: int) -> _Elements:
        """The elements inside the next one."""
        return _Elements(self.take(tag))


def _parse(data: bytes) -> Certificate:
    outer = _Elements(data).within(_SEQUENCE)
    inner = outer.within(_SEQUENCE)
    outer.take(_SEQUENCE)
    signature = outer.take(_BITS)[1:]
    inner.take(_VERSION)
    serial = int.from_bytes(inner.take(_INTEGER), "big")
    inner.take(_SEQUENCE)
    issuer, _ = _parse_name(inner.within(_SEQUENCE))
    validity = inner.within(_SEQUENCE)
    not_before_ms, not_after_ms = _parse_time(validity), _parse_time(validity)
    subject, label = _parse_name(inner.within(_SEQUENCE))
    key = inner.within(_SEQUENCE)
    key.take(_SEQUENCE)
    public_key = key.take(_BITS)[1:]
    extensions = inner.within(_EXTENSIONS).within(_SEQUENCE)
    values = [_parse_extension(extensions) for _ in range(5)]
    authority_key_id = values[0].within(_SEQUENCE).take(_KEY_IDENTIFIER)
    key_id = values[1].take(_OCTETS)
    purpose = _element(_OID, values[4].within(_SEQUENCE).take(_OID))
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES or len(key_id) != HASH_BYTES:
        raise ValueError
    if len(authority_key_id) != HASH_BYTES:
        raise ValueError
    return Certificate(
        serial,
        issuer,
        authority_key_id,
        not_before_ms,
        not_after_ms,
        subject,
        label,
        public_key,
        key_id,
        _PURPOSES.index(purpose),
        signature,
    )


def _parse_name(pairs: _Elements) -> tuple[str, str]:
    texts = []
    for _ in range(2):
        pair = pairs.within(_SET).within(_SEQUENCE)
        pair.take(_OID)
        texts.append(pair.take(_UTF8).decode("ascii"))
    return texts[0], texts[1]


def _parse_time(validity: _Elements) -> int:
    text = validity.take(_UTC_TIME, _GENERALIZED_TIME)
    digits = text[:-1]
    if any(not 0x30 <= digit <= 0x39 for digit in digits) or len(digits) not in (12, 14):
        raise ValueError
    if len(digits) == 12:
        digits = (b"20" if digits < b"5" else b"19") + digits
    day = days_from_date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    second = (int(digits[8:10]) * 60 + int(digits[10:12])) * 60 + int(digits[12:14])
    return (day * _DAY_SECONDS + second) * 1_000


def _parse_extension(extensions: _Elements) -> _Elements:
    extension = extensions.within(_SEQUENCE)
    extension.take(_OID)
    extension.skip(_BOOLEAN)
    return _Elements(extension.take(_OCTETS))
