"""The ledger and a naive model of custody, written from the rules alone, agree on every subject after every event.

The model (`tests/model`) keeps plain objects, scans everything and really empties a container that is emptied; the ledger
sums up, chains and resolves later. Whatever one of them forgets shows as a disagreement, told as the shortest history.

    uv run pytest tests/properties/test_model_custody.py
    HYPOTHESIS_PROFILE=thorough uv run pytest tests/properties/test_model_custody.py      (a long run)

Not modelled: lots, delegates' keys, attestations, mismatches, jurisdiction by place, holds on documents. Not drawn: what is
refused (a correction of an event with two containers).
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.model.acts import CHOICES, KINDS, Act
from tests.model.histories import check

CHOICE = st.integers(0, CHOICES - 1)
ACTS = st.builds(Act, st.sampled_from(KINDS), CHOICE, CHOICE, CHOICE, CHOICE, CHOICE, CHOICE)
EXAMPLES = 120 if settings().max_examples <= 100 else 5_000


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),  # shortened by `check` itself, which knows what a history is
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(ACTS, min_size=40, max_size=100))
def test_the_ledger_and_the_model_agree_on_any_history(acts: list[Act]) -> None:
    """Every outcome code, every aside, every custodian, every record."""
    check(acts)
