"""Bugs between a promise and the disk: votes, proposals and what they rest on, before a message leaves and after a crash."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_MACHINE: Final = "ledger/consensus/machine.py"
_DRIVER: Final = "node/validator/driver.py"
_STORES: Final = "node/storage/stores.py"
_VOTE_LOG: Final = "node/storage/vote_log.py"
_T_VOTING: Final = "tests/consensus/test_voting.py::"
_T_RESTART: Final = "tests/consensus/test_restart.py::"
_T_DRIVER: Final = "tests/validator/test_driver.py::"
_T_STORES: Final = "tests/storage/test_stores.py::"
_T_VOTE_LOG: Final = "tests/storage/test_vote_log.py::"

MUTANTS: Final = (
    Mutant(
        "vote-not-logged",
        "A vote leaves without being logged, so after a power cut the validator votes otherwise.",
        "CONSENSUS 23",
        _MACHINE,
        "        self._outbox.log(vote)\n",
        "",
        _T_VOTING + "test_every_vote_that_leaves_is_in_the_log_of_its_step",
    ),
    Mutant(
        "proposal-not-logged",
        "A leader's proposal is not logged, so after a power cut it proposes another block in the same view.",
        "CONSENSUS 23",
        _MACHINE,
        "        self._outbox.log(proposal)\n",
        "",
        _T_VOTING + "test_own_proposals_are_logged",
    ),
    Mutant(
        "block-not-logged-with-its-vote",
        "The block is not logged with the vote for it, so after a power cut of all nobody has what a quorum notarised.",
        "CONSENSUS 23",
        _MACHINE,
        "        self._log_block(self._tree.add(block_hash, proposal.block))\n",
        "        self._tree.add(block_hash, proposal.block)\n",
        _T_VOTING + "test_the_block_is_logged_with_its_notarise_vote_and_the_notarisation_before_finalise",
    ),
    Mutant(
        "notarisation-not-logged-before-finalise",
        "A finalise vote leaves before the notarisation it rests on is logged, so a crash forgets why it was cast.",
        "CONSENSUS 23",
        _MACHINE,
        "        self._outbox.log(certificate)\n",
        "",
        _T_VOTING + "test_the_block_is_logged_with_its_notarise_vote_and_the_notarisation_before_finalise",
    ),
    Mutant(
        "records-after-messages",
        "A step hands out its messages first and its records last.",
        "CONSENSUS 23",
        "ledger/consensus/outbox.py",
        "effects.insert(0, Persist(tuple(self._records)))",
        "effects.append(Persist(tuple(self._records)))",
        _T_VOTING + "test_records_come_before_everything_that_leaves",
    ),
    Mutant(
        "logged-but-not-synced",
        "Votes are logged and sent without a sync: a power cut takes the log and not the vote.",
        "CONSENSUS 23",
        _DRIVER,
        "            self._stores.sync_before_sending()\n",
        "",
        _T_DRIVER + "test_nothing_leaves_before_what_it_speaks_of_is_synced",
    ),
    Mutant(
        "synced-after-sending",
        "The sync comes after the messages of its turn.",
        "CONSENSUS 23",
        _DRIVER,
        "        if must_sync:\n",
        "        for effect in effects:\n            if isinstance(effect, Broadcast):\n"
        "                self._carry_out(effect, logged)\n        effects = [e for e in effects if not isinstance(e, Broadcast)]\n"
        "        if must_sync:\n",
        _T_DRIVER + "test_nothing_leaves_before_what_it_speaks_of_is_synced",
    ),
    Mutant(
        "proposal-no-promise",
        "Proposals leave unsynced, so after a power cut a leader proposes another block in the same view.",
        "CONSENSUS 23",
        _DRIVER,
        "isinstance(effect.message, Vote | Proposal)",
        "isinstance(effect.message, Vote)",
        _T_DRIVER + "test_a_proposal_is_a_promise_too",
    ),
    Mutant(
        "undone-branch-taken-to-stand",
        "A block undone for another branch is taken to be executed still: what is built on it stops every node that undid it.",
        "CONSENSUS 16",
        "ledger/consensus/finality.py",
        "        return [node for node in path if node not in standing]\n",
        "        return [node for node in path if not node.is_executed]\n",
        _T_VOTING + "test_a_block_undone_for_another_branch_is_executed_again_before_what_stands_on_it",
    ),
    Mutant(
        "unsynced-forgotten-between-turns",
        "A record of a turn that sent nothing is not synced when the next turn sends.",
        "CONSENSUS 23",
        _DRIVER,
        "            self._has_unsynced = False\n        is_said = False",
        "        self._has_unsynced = False\n        is_said = False",
        _T_DRIVER + "test_a_record_of_an_earlier_turn_is_synced_before_a_later_turn_sends",
    ),
    Mutant(
        "batch-not-synced-before-notarise",
        "Votes are synced and the batches they are for are not: a power cut loses a batch that only a dead origin had.",
        "CONSENSUS 23",
        _STORES,
        "        self.pending.sync()\n",
        "",
        _T_STORES + "test_what_a_vote_rests_on_is_durable_with_it",
    ),
    Mutant(
        "open-bytes-not-synced-before-notarise",
        "The bytes of open events are not synced with the vote for their batch.",
        "CONSENSUS 23",
        _STORES,
        "        self.payload.sync()\n",
        "",
        _T_STORES + "test_what_a_vote_rests_on_is_durable_with_it",
    ),
    Mutant(
        "votes-synced-first",
        "Votes become durable before what they rest on, so a crash between leaves votes for batches nobody has.",
        "CONSENSUS 23",
        _STORES,
        "        self.payload.sync()\n        self.pending.sync()\n        self.votes.sync()\n",
        "        self.votes.sync()\n        self.payload.sync()\n        self.pending.sync()\n",
        _T_STORES + "test_a_vote_is_durable_only_after_what_it_rests_on",
    ),
    Mutant(
        "failed-sync-survived",
        "A failed sync is logged and the validator goes on sending.",
        "CONSENSUS 25",
        _DRIVER,
        "        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be said after it\n"
        "            self._fail(error)\n",
        "        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be said after it\n"
        "            self._around.alarm(str(error))\n",
        _T_DRIVER + "test_a_failed_sync_stops_the_driver_and_nothing_leaves",
    ),
    Mutant(
        "votes-forgotten-at-restart",
        "The votes in the log are not taken up after a restart, so the validator votes twice in one view.",
        "CONSENSUS 24",
        _MACHINE,
        "        else:\n            self._teller.count_own(record)\n",
        "        else:\n            self._teller.is_signed(self.me, record.claim, record.signature)\n",
        _T_RESTART + "test_a_notarised_view_is_not_notarised_otherwise_after_a_restart",
    ),
    Mutant(
        "proposal-forgotten-at-restart",
        "The own proposal in the log is not taken up after a restart, so the leader proposes another.",
        "CONSENSUS 24",
        _MACHINE,
        "            view.own_proposal = view.proposal = record\n",
        "            view.proposal = record\n",
        _T_RESTART + "test_a_recorded_proposal_is_sent_again_and_never_made_anew",
    ),
    Mutant(
        "nothing-signed-after-a-restart",
        "A view that was notarised before a restart is never given up after it, which stops four validators with one dead.",
        "CONSENSUS 24",
        _MACHINE,
        "if self._key is None or not may_nullify(view, self._views.current):",
        "if self._key is None or not may_nullify(view, self._views.current) or (view.own and view.proposal is None):",
        _T_RESTART + "test_nullify_may_follow_a_recorded_notarise",
    ),
    Mutant(
        "view-forgotten-at-restart",
        "After a restart the validator stands where its certificates put it, below a view in which it spoke already.",
        "CONSENSUS 24",
        _MACHINE,
        "elif view.own_proposal is not None or Kind.NOTARISE in view.own or Kind.NULLIFY in view.own:",
        "elif view.own_proposal is not None and Kind.NULLIFY in view.own:",
        _T_RESTART + "test_the_view_of_the_last_own_word_is_kept_even_without_its_certificate",
    ),
    Mutant(
        "compaction-drops-votes",
        "Compacting the vote log keeps certificates and drops votes, so the validator may vote again.",
        "CONSENSUS 23-25",
        _MACHINE,
        "            records.extend(view.own[kind] for kind in sorted(view.own))\n",
        "",
        _T_RESTART + "test_the_compacted_log_leads_to_the_same_state",
    ),
    Mutant(
        "log-of-another-epoch-taken-up",
        "Votes of another epoch in the log are taken for those of this one.",
        "CONSENSUS 24",
        _MACHINE,
        "        if epoch != self._epoch:\n            if epoch > self._epoch:\n                self._later",
        "        if epoch > self._epoch + 1_000:\n            if epoch > self._epoch:\n                self._later",
        _T_RESTART + "test_the_log_speaks_of_the_epoch_it_is_in",
    ),
    Mutant(
        "log-begun-beside-chain-data",
        "A lost vote log is begun anew beside chain data, so the validator votes twice with its old key.",
        "CONSENSUS 25",
        _VOTE_LOG,
        "if not may_begin and not any(",
        "if may_begin and not any(",
        _T_VOTE_LOG + "test_chain_data_without_a_vote_log_refuses_to_start",
    ),
    Mutant(
        "every-folder-may-begin",
        "The stores always allow a fresh vote log, whether or not there is chain data.",
        "CONSENSUS 25",
        _STORES,
        "may_begin=not folder.has_chain_data",
        "may_begin=True",
        "tests/storage/test_folder.py::test_chain_data_whose_votes_are_gone_never_starts",
    ),
    Mutant(
        "two-processes-one-log",
        "Two processes may hold one vote log, and each signs what the other has not seen.",
        "CONSENSUS 25",
        "node/storage/filesystem.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        _T_VOTE_LOG + "test_a_second_process_is_refused_and_told_the_folder",
    ),
    Mutant(
        "replacement-not-synced",
        "The old segments of the vote log are dropped before the record that replaces them is durable.",
        "CONSENSUS 23; STORAGE §5",
        _VOTE_LOG,
        "        self._log.sync()\n        self._records = list(fresh)",
        "        self._records = list(fresh)",
        _T_VOTE_LOG + "test_replacing_is_whole_or_not_at_all_in_any_crash",
    ),
    Mutant(
        "missing-vote-segment-unnoticed",
        "Vote segments that are gone without a replacement are not missed.",
        "CONSENSUS 25",
        _VOTE_LOG,
        "if self._log.first_segment > kept:",
        "if self._log.first_segment < 0:",
        _T_VOTE_LOG + "test_replacing_gives_space_back_and_missing_segments_are_noticed",
    ),
)
