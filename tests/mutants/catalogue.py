"""All planted bugs, by area."""

from __future__ import annotations

from typing import Final

from tests.mutants import (
    admission,
    codec,
    entitlement,
    epcis,
    epochs,
    erasure,
    governance,
    hybrid,
    joining,
    keys,
    proofs,
    proposals,
    requests,
    rules,
    storage,
    transport,
    vote_log,
    votes,
)
from tests.mutants.mutant import Mutant

AREAS: Final[dict[str, tuple[Mutant, ...]]] = {
    "votes": votes.MUTANTS,
    "proposals": proposals.MUTANTS,
    "vote log": vote_log.MUTANTS,
    "storage": storage.MUTANTS,
    "admission": admission.MUTANTS,
    "codec": codec.MUTANTS,
    "rules": rules.MUTANTS,
    "proofs": proofs.MUTANTS,
    "entitlement": entitlement.MUTANTS,
    "transport": transport.MUTANTS,
    "epochs": epochs.MUTANTS,
    "governance": governance.MUTANTS,
    "keys": keys.MUTANTS,
    "hybrid": hybrid.MUTANTS,
    "joining": joining.MUTANTS,
    "epcis": epcis.MUTANTS,
    "erasure": erasure.MUTANTS,
    "requests": requests.MUTANTS,
}
ALL: Final = tuple(mutant for mutants in AREAS.values() for mutant in mutants)
