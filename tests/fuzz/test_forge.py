"""No forged or spliced proof is accepted (a sample; `python -m tests.fuzz.forge --count 100000` for more), and that this can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.chain import certificate
from ledger.chain.transaction import item_hash_of, statement_hash
from ledger.proof import verify as verifying
from ledger.proof.verify import BundleEvidence, verify
from ledger.state.links import entry_hash
from ledger.trade.record import EMPTY
from tests.fuzz.forge.alter import ALTERATIONS
from tests.fuzz.forge.honest import Scene, core_of, scenes
from tests.fuzz.forge.judge import STAGES, Verdicts, judge
from tests.fuzz.forge.repair import refitted

SAMPLE = 1_500
FEW = 500


@pytest.fixture(scope="module")
def some() -> tuple[Scene, ...]:
    return scenes(1, 2)


def test_no_forgery_of_a_sample_is_accepted(some: tuple[Scene, ...]) -> None:
    found = judge(some, 1, SAMPLE)
    assert [(one.kind, one.repair) for one in (*found.accepted, *found.crashed)] == []
    assert found.forged == SAMPLE
    assert set(found.by_stage) == set(STAGES)
    assert found.by_stage["decoding"] < SAMPLE // 2, "most must get past decoding"
    assert set(found.by_kind) >= set(ALTERATIONS)


def test_honest_proofs_verify_and_fit_as_they_are(some: tuple[Scene, ...]) -> None:
    """Else forging starts from nothing, and making fit would be what breaks."""
    for scene in some:
        for bundle in scene.bundles[::5]:
            verify(bundle.to_bytes(), scene.anchor)
            names = {entry_hash(bundle.network, one.entry): one.entry.sequence for one in bundle.entries}
            assert refitted(bundle, names, scene.anchor.depth) == bundle
        assert not {core_of(twin) for twin in scene.twins} & scene.known


# --- with one check removed, forgeries pass: the forger reaches every one of these


def _no_certificate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(certificate, "check_certificate", lambda *_: None)


def _any_state(patch: pytest.MonkeyPatch) -> None:
    def records(self: BundleEvidence, bundle: Any, depth: int) -> Any:
        shown = {one.key: one.record if one.record is not None else EMPTY for one in bundle.records}
        self._note("record", shown)
        return shown

    patch.setattr(BundleEvidence, "_authentic_records", records)


def _any_registry(patch: pytest.MonkeyPatch) -> None:
    def entry_shown(network: bytes, root: bytes, proof: Any, kind: int, name: str, *, prefix: bool) -> Any:
        found = [entry for _, entry, _ in proof.shown]
        exact = [
            one
            for one in found
            if (one.kind, one.name) == (kind, name) or (prefix and name.startswith(one.name))
        ]
        return exact[0] if exact else None

    patch.setattr(verifying, "verify_registry", entry_shown)


def _any_item(patch: pytest.MonkeyPatch) -> None:
    real = BundleEvidence._authentic_entry

    def opened(self: BundleEvidence, shown: Any) -> Any:
        parts = shown.parts
        item = item_hash_of(
            self.network, statement_hash(self.network, parts.statement), parts.subjects_root, parts.subject_count,
            parts.event_hash, parts.context_hash, parts.attestation,
        )  # fmt: skip
        found = real(self, shown._replace(entry=shown.entry._replace(item_hash=item)))
        return found._replace(entry=shown.entry)

    patch.setattr(BundleEvidence, "_authentic_entry", opened)


def _any_related(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifying, "related_root", lambda *_: _Equal())


class _Equal(bytes):
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def _leftovers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BundleEvidence, "check_all_used", lambda _: None)


REMOVED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    one.__name__: one
    for one in (_no_certificate, _any_state, _any_registry, _any_item, _any_related, _leftovers)
}


@pytest.mark.parametrize("name", REMOVED)
def test_without_a_check_forgeries_are_accepted(
    monkeypatch: pytest.MonkeyPatch, some: tuple[Scene, ...], name: str
) -> None:
    REMOVED[name](monkeypatch)
    found: Verdicts = judge(some, 1, FEW)
    assert found.accepted, found.by_stage
