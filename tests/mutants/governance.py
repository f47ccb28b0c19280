"""Bugs in votes: few who decide alone, votes counted twice, rules weakened by those they bind."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_GOVERNANCE: Final = "ledger/members/governance.py"
_CONSTITUTION: Final = "ledger/members/constitution.py"
_CHANGES: Final = "ledger/members/changes.py"
_BLOCK: Final = "ledger/state/block.py"
_TABLES: Final = "node/validator/tables.py"
_T: Final = "tests/members/test_governance.py::"
_T_PROPERTY: Final = "tests/properties/test_votes.py::"

MUTANTS: Final = (
    Mutant(
        "enacted-one-vote-early",
        "A proposal is enacted with one vote too few: two of four add members, keys and grants.",
        "GOVERNANCE 3",
        _GOVERNANCE,
        "    if yes < needed:",
        "    if yes < needed - 1:",
        _T + "test_a_quorum_adds_an_organisation_and_two_of_four_do_not",
    ),
    Mutant(
        "ballots-counted-twice",
        "An organisation votes as often as it likes, and so alone decides what its last ballot says.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "    if draft.get(Kind.BALLOT, name) is not None:",
        "    if draft.get(Kind.BALLOT, name) == 0:",
        _T + "test_a_second_ballot_a_strangers_and_one_too_late_are_refused",
    ),
    Mutant(
        "no-counts-as-yes",
        "Whoever votes at all votes for it.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "    yes = sum(ballot is not None and ballot[0] for ballot in cast)",
        "    yes = sum(ballot is not None for ballot in cast)",
        _T_PROPERTY + "test_nothing_that_fewer_than_the_threshold_signed_ever_changed_anything",
    ),
    Mutant(
        "vote-after-expiry",
        "A proposal that everybody believes dead is enacted years later.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "    if proposal.expires_ms <= setting.author.time_ms:",
        "    if proposal.expires_ms < 0:",
        _T + "test_a_second_ballot_a_strangers_and_one_too_late_are_refused",
    ),
    Mutant(
        "strangers-vote",
        "Any organisation with an approver's key votes, one that lost its vote too.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "    if author.organisation not in electorate.organisations:",
        "    if not electorate.organisations:",
        _T + "test_an_organisation_that_lost_its_vote_neither_proposes_nor_votes",
    ),
    Mutant(
        "stranger-withdraws",
        "Whoever dislikes a proposal withdraws it.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "    if proposal.proposer != setting.author.organisation:",
        "    if not proposal.proposer:",
        _T + "test_what_cannot_pass_any_more_is_rejected_and_its_proposer_may_withdraw",
    ),
    Mutant(
        "half-enacted",
        "A proposal that passed and no longer applies is called enacted.",
        "GOVERNANCE 2",
        _GOVERNANCE,
        "        return Status.FAILED",
        "        return Status.ENACTED",
        _T + "test_what_passed_and_no_longer_applies_fails_and_sets_nothing",
    ),
    Mutant(
        "emergency-alone",
        "One approver suspends its rival.",
        "GOVERNANCE 3",
        _CONSTITUTION,
        "        return max(max_faulty(self.size) + 1, least, _TOGETHER)",
        "        return 1",
        _T + "test_an_emergency_needs_two_of_four_bars_custody_never_votes_and_lapses",
    ),
    Mutant(
        "constitution-by-quorum",
        "The rules of votes are changed by as few as they allow to change anything.",
        "GOVERNANCE 3",
        _CONSTITUTION,
        "DEFAULT_RULES: Final[Rules] = ((int(ChangeKind.CONSTITUTION), 4, 5),)",
        "DEFAULT_RULES: Final[Rules] = ((int(ChangeKind.CONSTITUTION), 1, 5),)",
        _T + "test_the_constitution_changes_by_its_own_threshold_alone",
    ),
    Mutant(
        "rules-below-their-floor",
        "Rules promise that fewer decide than a quorum.",
        "GOVERNANCE 3",
        _CONSTITUTION,
        "        if stated.stated(kind) < stated.floor(kind):",
        "        if stated.stated(kind) < 0:",
        _T + "test_the_constitution_changes_by_its_own_threshold_alone",
    ),
    Mutant(
        "emergency-silences-voters",
        "f + 1 suspend the others and then decide everything.",
        "GOVERNANCE 6",
        "ledger/members/acts.py",
        "    return bar == Bar.ANY or (bar == Bar.VOTED and not is_emergency)",
        "    return bar in (Bar.ANY, Bar.VOTED)",
        _T + "test_an_emergency_needs_two_of_four_bars_custody_never_votes_and_lapses",
    ),
    Mutant(
        "emergency-renewed",
        "An emergency suspension is renewed by as few for ever.",
        "GOVERNANCE 6",
        _CHANGES,
        "    if known is not None and (known.is_emergency or known.is_in_force(setting.author.time_ms)):",
        "    if known is not None and known.is_in_force(setting.author.time_ms):",
        _T + "test_an_emergency_needs_two_of_four_bars_custody_never_votes_and_lapses",
    ),
    Mutant(
        "last-approvers-removed",
        "So many lose their vote that one of those left decides alone, or nobody can.",
        "GOVERNANCE 4",
        _CHANGES,
        "    if left < APPROVERS_LEAST:",
        "    if left < 0:",
        _T + "test_votes_and_seats_that_must_remain",
    ),
    Mutant(
        "validator-removed",
        "An organisation is removed that validates in this epoch.",
        "GOVERNANCE 4",
        _CHANGES,
        "    if who in setting.author.seats:",
        "    if not setting.author.seats:",
        _T + "test_votes_and_seats_that_must_remain",
    ),
    Mutant(
        "grant-inside-a-grant",
        "A prefix is granted inside another's: no registry can hold both, and every node stops at the block.",
        "GOVERNANCE 4",
        _CHANGES,
        "    if other is not None:",
        "    if other == prefix:",
        _T + "test_changes_that_do_not_fit_are_refused",
    ),
    Mutant(
        "registry-forgotten-at-restart",
        "What votes set is not written: after a restart a node has the registry of genesis.",
        "STORAGE 7",
        _TABLES,
        "        for kind, name, _ in execution.amendments:",
        "        for kind, name, _ in ():",
        "tests/validator/test_execution.py::"
        "test_what_votes_set_is_there_after_a_restart_whether_it_was_flushed_or_is_redone",
    ),
    Mutant(
        "joined-without-votes",
        "A node that joined at a snapshot forgets what votes had set: it judges acts by the registry of genesis.",
        "STORAGE 9",
        "node/validator/past.py",
        'yield "registry", [(registry_key(entry), encode(entry)) for entry in registry.entries]',
        'yield "registry", []',
        "tests/validator/test_past.py::test_who_joins_has_everything_that_votes_set",
    ),
)
