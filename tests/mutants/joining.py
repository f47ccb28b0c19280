"""Bugs in snapshots and audits: what a node that joins, or an auditor, takes from others without its being proven."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_SNAPSHOT: Final = "ledger/state/snapshot.py"
_BACKFILL: Final = "ledger/state/backfill.py"
_JOINING: Final = "node/validator/joining.py"
_OFFERS: Final = "node/validator/offers.py"
_COMPLETING: Final = "node/validator/completing.py"
_AUDIT: Final = "ledger/state/audit.py"
_T_SNAPSHOT: Final = "tests/state/test_snapshot.py::"
_T_LOST: Final = "tests/simulation/test_lost_disks.py::"
_T_AUDIT: Final = "tests/state/test_audit.py::"

MUTANTS: Final = (
    Mutant(
        "snapshot-chunk-unchecked",
        "The records of a snapshot's part are taken as they come, so the peer that sends them writes the state.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if state_node(network, depth, level, index, records) != manifest.state[index]:",
        "if not state_node(network, depth, level, index, records):",
        _T_SNAPSHOT + "test_a_record_left_out_added_or_of_another_height_is_refused",
    ),
    Mutant(
        "snapshot-under-no-root",
        "The nodes that parts are checked against need not be those under the certified state root.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if root_of_level(first.network, manifest.state) != outcome.state_root:",
        "if not manifest.state:",
        _T_SNAPSHOT + "test_a_manifest_of_nodes_that_are_not_under_the_roots_is_refused",
    ),
    Mutant(
        "history-under-no-root",
        "The nodes that a snapshot's history is checked against need not be those under the certified log root.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if merkle.root_of_nodes(manifest.log) != outcome.event_log_root:",
        "if not outcome.event_log_root:",
        _T_SNAPSHOT + "test_a_manifest_of_nodes_that_are_not_under_the_roots_is_refused",
    ),
    Mutant(
        "peaks-unchecked",
        "The right edge of the event log is taken as it comes, and the next block's root differs from everybody's.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if LogFrontier(size, manifest.peaks).root() != outcome.event_log_root:",
        "if LogFrontier(size, manifest.peaks).root() == b'':",
        _T_SNAPSHOT + "test_a_manifest_of_nodes_that_are_not_under_the_roots_is_refused",
    ),
    Mutant(
        "snapshot-registry-unchecked",
        "The registry of a snapshot is taken as it comes, with the sender's keys and grants in it.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if registry.root != manifest.checkpoint.outcome.registry_root:",
        "if not registry.entries:",
        _T_SNAPSHOT + "test_no_flipped_bit_of_any_part_is_taken",
    ),
    Mutant(
        "snapshot-seats-unchecked",
        "The seats of past epochs are taken as a snapshot's sender tells them, with its TLS pins in them.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if not _is_written(registry, begun, change, height):",
        "if not begun:",
        _T_SNAPSHOT + "test_the_registry_of_a_snapshot_holds_what_votes_set_and_binds_what_closed_each_epoch",
    ),
    Mutant(
        "window-shortened",
        "A block of the last hour comes without its transactions, which are executed again.",
        "CONSENSUS 28; DESIGN §4 Transaction",
        _SNAPSHOT,
        "            if may_matter(header, now_ms):\n",
        "            if may_matter(header, now_ms) and not blocks:\n",
        _T_SNAPSHOT + "test_a_window_that_leaves_a_block_or_a_transaction_out_is_refused",
    ),
    Mutant(
        "window-transactions-unchecked",
        "The transactions of the last hour need not be those that their blocks commit to.",
        "CONSENSUS 28; DESIGN §4 Transaction",
        _SNAPSHOT,
        "elif transactions_root([signed.id() for signed in transactions]) != header.transactions_root:",
        "elif not header.transactions_root:",
        _T_SNAPSHOT + "test_a_window_that_leaves_a_block_or_a_transaction_out_is_refused",
    ),
    Mutant(
        "window-unlinked",
        "A block of the last hour is left out: the window need not link to the checkpoint.",
        "CONSENSUS 28",
        _SNAPSHOT,
        "if Anchor(header.height, header.hash, outcome.hash_in(network)) != anchor:",
        "if header.height > anchor.height:",
        _T_SNAPSHOT + "test_a_window_that_leaves_a_block_or_a_transaction_out_is_refused",
    ),
    Mutant(
        "window-cut-anywhere",
        "One peer cuts the last hour where it likes, and every honest peer's next part looks false.",
        "CONSENSUS 28; PROTOCOL §9",
        _SNAPSHOT,
        "if any(ends[:-1]) or sum(sizes[:-1]) >= limits.SNAPSHOT_WINDOW_BYTES or not (is_full or ends[-1]):",
        "if not sizes:",
        _T_SNAPSHOT + "test_a_window_is_cut_where_it_reaches_its_size_or_the_end_and_nowhere_else",
    ),
    Mutant(
        "entries-unchecked",
        "The entries of a snapshot's history need not be those of the event log.",
        "CONSENSUS 28; DESIGN §4 Entry",
        _BACKFILL,
        "    if root != manifest.log[index]:\n",
        "    if not root:\n",
        _T_SNAPSHOT + "test_entries_left_out_exchanged_or_told_otherwise_are_refused",
    ),
    Mutant(
        "history-item-unchecked",
        "The item behind an entry of a snapshot's history need not be the entry's.",
        "CONSENSUS 28; DESIGN §4 Item",
        _BACKFILL,
        "if item is not None and (item_hash(network, item) != entry.item_hash or not related):",
        "if item is not None and not related:",
        _T_SNAPSHOT + "test_an_item_or_a_related_record_that_is_not_the_entrys_is_refused",
    ),
    Mutant(
        "history-moves-unchecked",
        "Which links are moves is taken from the sender, so a node proves less than what happened.",
        "CONSENSUS 28; DESIGN §4 Record",
        _BACKFILL,
        '("links", record.links, links), ("moves", record.moves, moves), ("asides", record.asides, asides)',
        '("links", record.links, links), ("asides", record.asides, asides)',
        _T_SNAPSHOT + "test_links_left_out_added_reordered_or_told_otherwise_are_refused",
    ),
    Mutant(
        "past-complete-without-links",
        "A node that joined takes its past for complete when it has the event log, and can never prove an old subject.",
        "CONSENSUS 28",
        _COMPLETING,
        "        await self._work_off(self.progress.state_parts, len(self._manifest.state), is_links=True)\n",
        "",
        _T_LOST + "test_one_that_completes_its_past_is_asked_again_until_it_proves",
    ),
    Mutant(
        "gone-snapshot-waited-for",
        "A node that joins goes on asking for a snapshot that its peers have let go of, and stays out for a minute.",
        "CONSENSUS 28",
        _OFFERS,
        "if other != height",
        "if other >= 0",
        _T_LOST + "test_what_peers_let_go_of_meanwhile_is_not_waited_for",
    ),
    Mutant(
        "offers-asked-for-once",
        "A node that joins takes old offers for all there are, and where they came to nothing stays out for a minute.",
        "CONSENSUS 28",
        _JOINING,
        "CHOICES: Final = 3",
        "CHOICES: Final = 1",
        _T_LOST + "test_what_peers_let_go_of_meanwhile_is_not_waited_for",
    ),
    Mutant(
        "audit-overlooks-the-state-root",
        "An audit executes every block and does not compare the state it gets.",
        "CONSENSUS 17",
        _AUDIT,
        '            if wanted != came:\n                raise _Differs(name, f"executing',
        '            if wanted != came and name != "state_root":\n                raise _Differs(name, f"executing',
        _T_AUDIT + "test_the_first_height_that_differs_is_named",
    ),
    Mutant(
        "audit-overlooks-signatures",
        "An audit does not check the signatures of authors, whom a quorum could then have invented.",
        "CONSENSUS 14",
        _AUDIT,
        "batch_from_bytes(data, self.network, check_signatures=height >= self._trusted_below)",
        "batch_from_bytes(data, self.network, check_signatures=height < self._trusted_below)",
        _T_AUDIT + "test_the_first_height_that_differs_is_named",
    ),
    Mutant(
        "audit-overlooks-certificates",
        "An audit does not check that a quorum signed anything at all.",
        "CONSENSUS 2",
        _AUDIT,
        "                check_certificate(self._state.sets[block.header.epoch], certificate)\n",
        "                certificate.signer_indices()\n",
        _T_AUDIT + "test_the_first_height_that_differs_is_named",
    ),
    Mutant(
        "audit-overlooks-parents",
        "An audit accepts a block on another parent, so a chain spliced from two audits clean.",
        "CONSENSUS 14",
        _AUDIT,
        '            ("parent", header.parent.hex(), parent.hash.hex()),\n',
        "",
        _T_AUDIT + "test_the_first_height_that_differs_is_named",
    ),
    Mutant(
        "lacking-history-is-no-history",
        "A node that lacks part of a history answers as if there were none, and goods with a past look unknown.",
        "DESIGN §6; CONSENSUS 28",
        "node/gateway/problems.py",
        "        Code.HISTORY_INCOMPLETE: 503,\n",
        "        Code.HISTORY_INCOMPLETE: 404,\n",
        "tests/api/test_subjects.py::test_a_history_that_is_not_whole_is_never_answered_with_less",
    ),
)
