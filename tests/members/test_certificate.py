"""One form of certificate: what another library makes of the profile is read, all else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.base.errors import CustodyError, FormError
from ledger.base.keys import HybridKey, SigningKey, is_signature, key_id
from ledger.members.certificate import (
    Certificate,
    authority_certificate,
    certificate_from_bytes,
    fingerprint,
)
from ledger.members.members import Use
from tests.world.certificates import DAY_MS, builder, extensions, issued, signed

AUTHORITY, KEY = SigningKey(b"a" * 32), SigningKey(b"k" * 32)
NOW_MS = 1_700_000_000_000
YEAR_2050_MS = 2_524_608_000_000
LAST_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z


@pytest.mark.parametrize("use", list(Use))
@pytest.mark.parametrize(
    ("since_ms", "until_ms"),
    [
        (0, 0),
        (0, LAST_MS),
        (NOW_MS, YEAR_2050_MS - 1_000),
        (NOW_MS, YEAR_2050_MS),
        (951_782_400_000, 951_868_799_000),
    ],
)
def test_what_another_library_makes_is_read_and_written_the_same(
    use: Use, since_ms: int, until_ms: int
) -> None:
    data = issued(
        AUTHORITY,
        KEY,
        "maker",
        use=use,
        now_ms=NOW_MS,
        since_ms=since_ms,
        until_ms=until_ms,
        label="Line 4, packer",
    )
    found = certificate_from_bytes(data)
    assert found == Certificate(
        7, "maker", AUTHORITY.public_key, since_ms, until_ms, "maker", "Line 4, packer", KEY.public_key, KEY.public_key,
        use, found.signature,
    )  # fmt: skip
    assert found.to_bytes() == data
    assert is_signature(AUTHORITY.public_key, found.to_be_signed(), found.signature)


@given(
    serial=st.integers(1, 2**159 - 1),
    label=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
    who=st.text("abcXYZ019-_.", min_size=1, max_size=32),
    since_ms=st.integers(0, 253_402_300_799),
    lasts_ms=st.integers(0, 10**11),
    use=st.sampled_from(Use),
)
@settings(max_examples=100)
def test_what_is_written_another_library_reads_the_same(
    serial: int, label: str, who: str, since_ms: int, lasts_ms: int, use: Use
) -> None:
    since_ms -= since_ms % 1_000
    until_ms = since_ms + lasts_ms - lasts_ms % 1_000
    made = Certificate(
        serial, who, AUTHORITY.public_key, since_ms, until_ms, who, label, KEY.public_key, KEY.public_key, use
    )
    made = made._replace(signature=AUTHORITY.sign(made.to_be_signed()))
    read = x509.load_der_x509_certificate(made.to_bytes())
    assert read.serial_number == serial
    assert [one.value for one in read.issuer] == [who, "authority"]
    assert [one.value for one in read.subject] == [who, label]
    assert int(read.not_valid_before_utc.timestamp()) * 1_000 == since_ms
    assert int(read.not_valid_after_utc.timestamp()) * 1_000 == until_ms
    assert read.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) == KEY.public_key
    assert [(one.value, one.critical) for one in read.extensions] == extensions(
        AUTHORITY.public_key, KEY.public_key, int(use)
    )
    assert read.fingerprint(SHA256()) == fingerprint(made.to_bytes())
    assert certificate_from_bytes(made.to_bytes()) == made


def other_form(what: str) -> bytes:
    carried = extensions(AUTHORITY.public_key, KEY.public_key, int(Use.SIGN))
    named: dict[str, Any] = {
        "issuer": "maker", "subject": "maker", "label": "a key", "public_key": KEY.public_key, "serial": 7,
        "since_ms": NOW_MS, "until_ms": NOW_MS + DAY_MS,
    }  # fmt: skip
    if what == "another order of extensions":
        carried.reverse()
    elif what == "one extension more":
        carried.append((x509.OCSPNoCheck(), False))
    elif what == "one extension less":
        carried.pop(0)
    elif what == "usage not critical":
        carried[3] = (carried[3][0], False)
    elif what == "an authority's":
        carried[2] = (x509.BasicConstraints(ca=True, path_length=None), True)
    elif what == "two purposes":
        both = [*carried[4][0], ExtendedKeyUsageOID.CLIENT_AUTH]
        carried[4] = (x509.ExtendedKeyUsage(both), True)
    elif what == "purpose of the web":
        carried[4] = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True)
    elif what == "short key id":
        carried[1] = (x509.SubjectKeyIdentifier(KEY.public_key[:20]), False)
    elif what == "subject beyond ASCII":
        named["subject"] = "mäker"
    elif what == "subject with a space":
        named["subject"] = "the maker"
    elif what == "label beyond ASCII":
        named["label"] = "clé"
    return signed(builder(**named, carried=carried), AUTHORITY)


@pytest.mark.parametrize(
    "what",
    [
        "another order of extensions", "one extension more", "one extension less", "usage not critical", "an authority's",
        "two purposes", "purpose of the web", "short key id", "subject beyond ASCII", "subject with a space", "label beyond ASCII",
    ],
)  # fmt: skip
def test_another_form_is_refused(what: str) -> None:
    with pytest.raises(FormError):
        certificate_from_bytes(other_form(what))
    certificate_from_bytes(other_form("the profile itself"))


GOOD = issued(AUTHORITY, KEY, "maker", now_ms=NOW_MS)


def test_no_byte_can_be_changed_added_or_left_out_unseen() -> None:
    """Whatever still reads after a change says so in its fields: nothing is passed over."""
    found = certificate_from_bytes(GOOD)
    for place in range(len(GOOD)):
        for changed in (
            GOOD[:place] + bytes((GOOD[place] ^ 1,)) + GOOD[place + 1 :],
            GOOD[:place] + bytes((GOOD[place] ^ 0x80,)) + GOOD[place + 1 :],
            GOOD[:place] + GOOD[place + 1 :],
            GOOD[:place] + b"\0" + GOOD[place:],
            GOOD[:place],
        ):
            try:
                other = certificate_from_bytes(changed)
            except CustodyError:
                continue
            assert other != found
            assert other.to_bytes() == changed
    with pytest.raises(FormError):
        certificate_from_bytes(GOOD + b"\0")
    with pytest.raises(FormError):
        certificate_from_bytes(GOOD.ljust(1_025, b"\0"))


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(FormError):
        certificate_from_bytes(data)


def test_a_length_that_is_longer_than_needed_is_refused() -> None:
    assert GOOD[:2] == b"\x30\x82"
    with pytest.raises(FormError):
        certificate_from_bytes(b"\x30\x83\0" + GOOD[2:])


@pytest.mark.parametrize(
    "authority", [AUTHORITY, HybridKey.from_seed(b"a" * 32 + b"b" * 32)], ids=["plain", "hybrid"]
)
def test_other_tools_follow_the_chain_to_the_authoritys_own_certificate(
    authority: SigningKey | HybridKey,
) -> None:
    own = x509.load_der_x509_certificate(authority_certificate("maker", authority, 5, 0, LAST_MS))
    issued_by_it = x509.load_der_x509_certificate(issued(authority, KEY, "maker", now_ms=NOW_MS))
    own.verify_directly_issued_by(own)
    issued_by_it.verify_directly_issued_by(own)
    identifier = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    named = issued_by_it.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert identifier == named == key_id(authority.public_key)
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = own.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature
    with pytest.raises(FormError):  # no key is enrolled by it
        certificate_from_bytes(authority_certificate("maker", authority, 5, 0, LAST_MS))
