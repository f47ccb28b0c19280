"""Bugs in keys on the running ledger: certificates, possession, revocation, marks of compromise, licences."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_REGISTRATION: Final = "ledger/members/registration.py"
_MEMBERS: Final = "ledger/members/members.py"
_CERTIFICATE: Final = "ledger/members/certificate.py"
_T_REGISTRATION: Final = "tests/members/test_registration.py::"
_T_CERTIFICATE: Final = "tests/members/test_certificate.py::"
_T_KEYS: Final = "tests/proof/test_keys.py::"
_ENROLS_NOTHING: Final = _T_REGISTRATION + "test_a_certificate_that_does_not_hold_enrols_nothing"

MUTANTS: Final = (
    Mutant(
        "certificate-read-leniently",
        "A certificate that is not exactly of the profile is read all the same: two libraries may differ on it.",
        "KEYS.md §2",
        _CERTIFICATE,
        "    if found.to_bytes() != data:\n        raise _another_form()\n",
        "",
        _T_CERTIFICATE + "test_another_form_is_refused",
    ),
    Mutant(
        "certificate-of-any-authority",
        "An authority certifies keys of another organisation.",
        "KEYS.md §2",
        _REGISTRATION,
        "or not authority.organisation == who == certificate.issuer",
        "or certificate.issuer != authority.organisation",
        _ENROLS_NOTHING,
    ),
    Mutant(
        "certificate-by-any-key",
        "Any registered key of an organisation certifies others.",
        "KEYS.md §2",
        _REGISTRATION,
        "        or authority.use != Use.AUTHORITY\n",
        "",
        _ENROLS_NOTHING,
    ),
    Mutant(
        "certificate-after-its-time",
        "A key is enrolled by a certificate that has expired.",
        "KEYS.md §2",
        _REGISTRATION,
        "if time_ms > certificate.not_after_ms:",
        "if time_ms < certificate.not_before_ms:",
        _ENROLS_NOTHING,
    ),
    Mutant(
        "half-an-authority",
        "The Ed25519 half of a hybrid authority's key is enough to certify keys.",
        "KEYS.md §3",
        _REGISTRATION,
        "if authority.hybrid_key is not None:",
        "if authority.hybrid_key is not None and endorsement is not None:",
        _T_REGISTRATION + "test_an_authority_with_a_hybrid_key_signs_certificates_with_both_halves",
    ),
    Mutant(
        "revoked-key-comes-back",
        "A key that was revoked is enrolled again.",
        "KEYS.md §3",
        _REGISTRATION,
        "if draft.get(kind, name) is not None or draft.entry(kind, name) is not None:",
        "if draft.get(kind, name) is not None:",
        _T_REGISTRATION + "test_a_revoked_key_is_never_enrolled_again",
    ),
    Mutant(
        "strangers-key-used-up",
        "Anybody registers a key that somebody else holds, who then never can.",
        "KEYS.md §3",
        _REGISTRATION,
        "if not is_signature(public_key, message, possession):",
        "if not possession:",
        _T_REGISTRATION + "test_what_is_refused_of_delegates",
    ),
    Mutant(
        "another-members-key-revoked",
        "A member revokes the keys of a rival.",
        "KEYS.md §3",
        _REGISTRATION,
        "if key.organisation != author.organisation:",
        "if not key.organisation:",
        _T_REGISTRATION + "test_who_may_revoke_and_mark",
    ),
    Mutant(
        "marked-key-signs-on",
        "A key marked as compromised goes on signing.",
        "KEYS.md §1",
        _MEMBERS,
        "if self.compromised_since is not None:",
        "if self.compromised_since is not None and self.validity is not None:",
        _T_REGISTRATION + "test_a_marked_key_signs_no_more_whether_revoked_or_not",
    ),
    Mutant(
        "key-outlives-its-certificate",
        "A key signs after its certificate has expired.",
        "KEYS.md §1",
        _MEMBERS,
        "if time_ms > self.validity.not_after_ms:",
        "if time_ms > self.validity.not_after_ms + 86_400_000:",
        _T_REGISTRATION + "test_a_certificate_is_judged_by_block_time_and_ends_by_it",
    ),
    Mutant(
        "compromise-read-as-of-then",
        "Whether a key was compromised is read as it was known when it signed, so nothing is ever flagged.",
        "KEYS.md §1",
        _MEMBERS,
        "return key_from_data(entry.periods[-1].data).compromised_since",
        "return key_from_data(entry.periods[0].data).compromised_since",
        _T_KEYS + "test_events_since_a_key_was_compromised_are_flagged_and_those_before_are_not",
    ),
    Mutant(
        "licence-of-a-former-holder",
        "A licence outlives its licensor's hold of the prefix.",
        "KEYS.md §4",
        _MEMBERS,
        "return bool(holder == holder_of(grant) and (until_ms is None or time_ms <= until_ms))",
        "return bool(holder and (until_ms is None or time_ms <= until_ms))",
        _T_REGISTRATION + "test_a_licence_holds_only_of_who_holds_the_prefix",
    ),
    Mutant(
        "licence-without-end",
        "A licence is used after its date.",
        "KEYS.md §4",
        _MEMBERS,
        "return bool(holder == holder_of(grant) and (until_ms is None or time_ms <= until_ms))",
        "return bool(holder == holder_of(grant))",
        _T_REGISTRATION + "test_a_licence_lapses_at_its_time",
    ),
)
