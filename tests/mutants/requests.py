"""Signed requests to gateways."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_FILE: Final = "node/gateway/signed_requests.py"
_TESTS: Final = "tests/gateway/test_signed_requests.py::"

MUTANTS: Final = (
    Mutant(
        "request-replayed",
        "Whoever sees one signed request sends it again and reads as its signer for five minutes.",
        "API.md §2.1",
        _FILE,
        "if nonce in seen:",
        "if nonce in ():",
        _TESTS + "test_a_replay_is_refused_and_after_a_start_everything_that_is_older",
    ),
    Mutant(
        "request-replayed-after-a-start",
        "A gateway that is restarted has forgotten its nonces, and takes what it took before.",
        "API.md §2.1",
        _FILE,
        "if created_s < self._since_s:",
        "if created_s < 0:",
        _TESTS + "test_a_replay_is_refused_and_after_a_start_everything_that_is_older",
    ),
    Mutant(
        "nonce-forgotten-early",
        "A request from a clock that is ahead outlives its nonce and counts twice.",
        "API.md §2.1",
        _FILE,
        "ends.append((now_s + 2 * MAX_AGE_S, nonce))",
        "ends.append((now_s + MAX_AGE_S, nonce))",
        _TESTS + "test_a_nonce_is_remembered_for_as_long_as_a_request_from_the_future_may_count",
    ),
    Mutant(
        "any-origin",
        "A gateway shows another one what a member signed for it, and reads there as that member.",
        "API.md §2.1; RFC 9421 §7.3.2",
        _FILE,
        'origin = next((one for one in self._origins if one.partition("://")[2] == host), None)',
        'origin = f"https://{host}"',
        _TESTS + "test_a_request_to_another_gateway_is_none_to_this",
    ),
    Mutant(
        "body-not-compared",
        "Whoever stands between puts another body under a signed request.",
        "API.md §2.1; RFC 9530 §2",
        _FILE,
        "digest_field(hashed.digest()) != wanted.strip()",
        "not wanted.strip()",
        _TESTS + "test_a_body_is_compared_with_the_digest_as_it_comes",
    ),
    Mutant(
        "request-by-a-device",
        "A key in a scanner, taken apart by whoever finds it, reads the chain as the organisation.",
        "API.md §2.1",
        _FILE,
        "if key.use not in USES:",
        "if key.use > Use.TRANSPORT:",
        _TESTS + "test_a_key_that_the_ledger_does_not_list_or_lists_for_another_use_is_refused",
    ),
    Mutant(
        "suspended-and-reading",
        "A member that the others voted out for a while reads on at every gateway.",
        "API.md §2.1; GOVERNANCE.md",
        _FILE,
        "if members.suspension(key.organisation, time_ms) is not None:",
        "if members.suspension(key.organisation, 2**62) is not None and time_ms < 0:",
        _TESTS
        + "test_a_revoked_or_compromised_key_and_a_suspended_member_are_refused_from_the_next_block_on",
    ),
    Mutant(
        "registry-of-yesterday",
        "A gateway never asks for the registry again: a revoked key reads there for ever.",
        "API.md §2.1",
        "node/gateway/registry.py",
        "known is not None and known.registry.root == newest.outcome.registry_root",
        "known is not None",
        _TESTS
        + "test_a_revoked_or_compromised_key_and_a_suspended_member_are_refused_from_the_next_block_on",
    ),
    Mutant(
        "profile-of-another-message",
        "What a gateway's key signed for another purpose passes as a request.",
        "API.md §2.1; RFC 9421 §7.3.6",
        "ledger/base/message_signature.py",
        'or said["tag"] != tag or',
        "or",
        _TESTS + "test_a_signature_of_another_profile_is_refused",
    ),
)
