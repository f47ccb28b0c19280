"""Which of its acts an organisation lets nobody do without a person (PERSONS.md §1).

    item = [7, [act, ...]]      of a transaction of kind REGISTRATION, signed by an approver key; names ascend, each once

A policy names acts; the registry keeps it under the organisation, and from the next height on execution refuses such an act
unless an approval of that very act stands (`ledger.state.approval`). An empty list ends the policy. Naming `policy` itself
makes changing it an act that a person must approve.

Acts of custody are named only where one signature decides over goods that others hold or over what stands on record; handovers
have two sides as it is, and packing happens a thousand times an hour. The verifier asks for the policy of these acts alone,
so proofs of everything else stay as small as they were.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.base.encoding import take_array, take_ascii
from ledger.base.errors import Code, FormError
from ledger.members.draft import Author, RegistryDraft
from ledger.members.registry import Kind

CUSTODY_ACTS: Final = ("hold", "release", "permit", "confirm", "dismiss", "end", "correct")
"""By events: the EPCIS pattern of each stands in RULES.md under the action of that name."""
GOVERNANCE_ACTS: Final = ("propose", "vote", "withdraw")
"""By the first field of an item of kind GOVERNANCE."""
POLICY_ITEM: Final = 7
REGISTRATION_ACTS: Final = {
    0: "enrol",
    1: "revoke",
    2: "compromised",
    3: "delegate",
    5: "licence",
    6: "licence",
    POLICY_ITEM: "policy",
    8: "transport",
}
"""By the first field of an item of kind REGISTRATION."""
ERASE: Final = "erase"
POLICY_ACTS: Final = tuple(sorted({*CUSTODY_ACTS, *GOVERNANCE_ACTS, *REGISTRATION_ACTS.values(), ERASE}))
"""Everything that a policy may name."""


def take_policy(value: Any) -> tuple[str, ...]:
    """The names of acts in a decoded array: ascending, each once, all of POLICY_ACTS; FormError otherwise."""
    acts = tuple(take_ascii(act, "act", 32) for act in take_array(value, "acts", most=len(POLICY_ACTS)))
    for act in acts:
        if act not in POLICY_ACTS:
            raise FormError(
                Code.MALFORMED, f"acts: expected each to be one of {', '.join(POLICY_ACTS)}; got {act[:32]!a}"
            )
    if list(acts) != sorted(set(acts)):
        raise FormError(Code.NOT_CANONICAL, "acts: expected each once, in ascending order")
    return acts


def set_policy(draft: RegistryDraft, author: Author, acts: Any) -> None:
    """Let the author's organisation have a policy of these acts from the next height; none where there are no acts."""
    draft.set(Kind.POLICY, author.organisation, take_policy(acts) or None)
