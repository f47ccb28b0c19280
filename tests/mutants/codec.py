"""Bugs in encodings, hashes and trees: two forms of one thing, one form of two, and proofs of what is not there."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_BATCH: Final = "ledger/chain/batch.py"
_ENCODING: Final = "ledger/base/encoding.py"
_BATCHES: Final = "node/validator/batches.py"
_TRANSACTION: Final = "ledger/chain/transaction.py"
_BUCKETS: Final = "ledger/base/buckets.py"
_T_ENCODING: Final = "tests/base/test_encoding.py::"
_T_BATCHES: Final = "tests/validator/test_batches.py::"
_T_TRANSACTION: Final = "tests/chain/test_transaction.py::"
_T_BUCKETS: Final = "tests/base/test_buckets.py::"

MUTANTS: Final = (
    Mutant(
        "longer-forms-accepted",
        "A value is accepted in any encoding, so one transaction has many ids and replicas differ by decoder.",
        "DESIGN §4; WIRE §1",
        _ENCODING,
        "if encode(value) != data:",
        "if not data:",
        _T_ENCODING + "test_what_is_not_canonical_is_refused",
    ),
    Mutant(
        "true-is-one",
        "A boolean passes for an integer, so two encodings mean one number.",
        "DESIGN §4; WIRE §1",
        _ENCODING,
        "if type(value) is not int:",
        "if not isinstance(value, int):",
        _T_ENCODING + "test_a_boolean_is_no_integer_and_an_integer_no_boolean",
    ),
    Mutant(
        "nesting-without-bound",
        "Arrays may nest as deep as they like, so one message exhausts the stack of every node.",
        "WIRE §1",
        _ENCODING,
        "        if depth == 0:\n",
        "        if depth == -1_000:\n",
        _T_ENCODING + "test_what_is_not_canonical_is_refused",
    ),
    Mutant(
        "batch-digest-without-signatures",
        "A batch's digest leaves out signatures, so an origin sends the leader good ones and others bad ones under one digest.",
        "CONSENSUS 5",
        _BATCH,
        "    return tagged_hash(Tag.BATCH, network, data)\n",
        "    origin, number, encoded = decode(data, max_bytes=limits.BLOCK_BYTES)\n"
        "    unsigned = [decode(one, max_bytes=limits.TRANSACTION_BYTES)[:2] for one in encoded]\n"
        "    return tagged_hash(Tag.BATCH, network, encode((origin, number, unsigned)))\n",
        _T_BATCHES + "test_the_digest_covers_signatures_and_no_open_bytes",
    ),
    Mutant(
        "batch-signatures-unchecked",
        "A pushed batch is held without its authors' signatures being checked, so a validator speaks for any member.",
        "CONSENSUS 5, 14",
        _BATCH,
        "    if check_signatures:\n",
        "    if not check_signatures:\n",
        _T_BATCHES + "test_the_digest_covers_signatures_and_no_open_bytes",
    ),
    Mutant(
        "open-bytes-not-demanded",
        "A batch is held without the bytes of its open items, so an origin that withholds them halts who needs them.",
        "CONSENSUS 5",
        _BATCHES,
        "                if may_lack(event):\n                    continue\n",
        "                if event:\n                    continue\n",
        _T_BATCHES + "test_a_batch_with_one_event_withheld_or_altered_is_not_whole",
    ),
    Mutant(
        "open-bytes-under-another-context",
        "An open event may come under another context than its item names, and then means something else.",
        "DESIGN §4; CONSENSUS 5",
        _BATCHES,
        "if found.payload.context_hash != context:",
        "if found.payload.context_hash == b'':",
        _T_BATCHES + "test_an_event_under_another_context_than_its_item_names_is_not_whole",
    ),
    Mutant(
        "small-order-keys",
        "Points of small order pass as keys and commitments, so one signature holds for many messages.",
        "CONSENSUS 3",
        "ledger/base/keys.py",
        "return y < _P and y not in _SMALL_ORDER_Y",
        "return y < _P",
        "tests/base/test_keys.py::test_points_of_small_order_are_neither_key_nor_commitment",
    ),
    Mutant(
        "mode-unsigned",
        "The signature does not cover the mode, so whoever forwards all-or-nothing makes it each on its own.",
        "DESIGN §4 Transaction",
        _TRANSACTION,
        "return tagged_hash(Tag.TRANSACTION, self.network, encode(self))",
        "return tagged_hash(Tag.TRANSACTION, self.network, encode(self[:7] + self[8:]))",
        _T_TRANSACTION + "test_the_signature_is_over_every_field",
    ),
    Mutant(
        "transaction-of-another-network",
        "A transaction signed for another network is taken as one of this.",
        "DESIGN §4 Transaction",
        _TRANSACTION,
        "if header.network != network:",
        "if not header.network:",
        _T_TRANSACTION + "test_another_network_and_another_signature_are_told",
    ),
    Mutant(
        "payload-root-unchecked",
        "Items need not be those whose root was signed, so whoever forwards a transaction rewrites it.",
        "DESIGN §4 Transaction",
        _TRANSACTION,
        "if merkle.root(item_hashes) != header.payload_root:",
        "if not item_hashes:",
        _T_TRANSACTION + "test_any_change_of_an_item_changes_the_payload_root",
    ),
    Mutant(
        "statements-compared-as-values",
        "Statements that are equal and encode differently share a hash: what was signed is not what is on the ledger.",
        "DESIGN §4 Transaction",
        _TRANSACTION,
        "known = read.get(encoded)",
        "known = read.get(encoded) or next(\n"
        "            (known for other, known in read.items() if decode(other, max_bytes=10**6) == statement), None\n"
        "        )",
        "tests/chain/test_read_events.py::test_one_pass_gives_what_each_item_gives_alone",
    ),
    Mutant(
        "subject-twice",
        "One event may name a subject twice, so one act is done to it twice.",
        "CUSTODY_RULES, Subjects",
        _TRANSACTION,
        "if len(subjects) > 1 and len({subject.identifier for subject in item.subjects}) != len(subjects):",
        "if not subjects:",
        _T_TRANSACTION + "test_a_subject_stands_once",
    ),
    Mutant(
        "inclusion-path-of-any-length",
        "An audit path may be shorter or longer than the tree, so an inner node is shown as a leaf.",
        "RFC 9162 §2.1.3.2",
        "ledger/base/merkle.py",
        "if len(path) != inclusion_path_length(index, size):",
        "if len(path) > 64:",
        "tests/base/test_merkle.py::test_inclusion_holds_and_no_other_leaf_place_or_path_does",
    ),
    Mutant(
        "rewritten-log-consistent",
        "A log that was rewritten passes for an extension of the one it replaced.",
        "RFC 9162 §2.1.4.2",
        "ledger/base/merkle.py",
        "if last or old_value != old_root or new_value != new_root:",
        "if last or new_value != new_root:",
        "tests/base/test_merkle.py::test_a_log_that_was_rewritten_is_not_consistent",
    ),
    Mutant(
        "neighbours-not-adjacent",
        "Any two entries around a key prove its absence, so a record that exists is denied.",
        "PROOF §3",
        _BUCKETS,
        "if len(rest) != 1 or rest[0][0] != index + 1 or not first < key < rest[0][1]:",
        "if len(rest) != 1 or not first < key < rest[0][1]:",
        _T_BUCKETS + "test_presence_cannot_be_shown_as_absence_by_its_neighbours",
    ),
    Mutant(
        "bucket-size-unbound",
        "A bucket's hash does not bind how many entries it has, so the last one is denied by a smaller size.",
        "PROOF §3",
        _BUCKETS,
        'return hashlib.sha256(Tag.STATE_BUCKET + network + size.to_bytes(4, "big") + entries_root).digest()',
        "return hashlib.sha256(Tag.STATE_BUCKET + network + bytes(4) + entries_root).digest()",
        _T_BUCKETS + "test_the_number_of_entries_is_bound",
    ),
    Mutant(
        "last-entry-anywhere",
        "Any entry below a key proves that it is beyond the last one, so a record that exists is denied.",
        "PROOF §3",
        _BUCKETS,
        "and not (index == proof.size - 1 and key > first):",
        "and not key > first:",
        _T_BUCKETS + "test_presence_cannot_be_shown_as_absence_by_its_neighbours",
    ),
    Mutant(
        "grant-denied-by-neighbours",
        "Neighbours around a longer number deny the grant of its prefix, so an attested origin looks unattested.",
        "DESIGN §4 Registry",
        "ledger/members/registry.py",
        "if next_index != index + 1 or not below or (prefix and is_prefix_entry(first, kind, name)):",
        "if next_index != index + 1 or not below:",
        "tests/members/test_registry.py::test_a_grant_cannot_be_denied_by_its_neighbours",
    ),
    Mutant(
        "chain-head-link-dropped",
        "A chain's head covers its last link only, so all links before it can be replaced.",
        "DESIGN §4 Link",
        "ledger/state/links.py",
        "return Chain(chain.length + 1, tagged_hash(Tag.CHAIN_HEAD, network, chain.head + encode(element)))",
        "return Chain(chain.length + 1, tagged_hash(Tag.CHAIN_HEAD, network, encode(element)))",
        "tests/state/test_links.py::test_a_head_covers_every_link_before_it",
    ),
    Mutant(
        "related-count-unbound",
        "An entry does not bind how many records its rules read, nor in which roles, so one is kept out of a proof.",
        "DESIGN §4 Related root",
        "ledger/state/links.py",
        "return tagged_hash(Tag.RELATED_ROOT, network, encode((count, named, root)))",
        "return tagged_hash(Tag.RELATED_ROOT, network, encode((count, root)))",
        "tests/state/test_links.py::test_a_related_root_binds_how_many_records_were_read_and_in_which_roles",
    ),
    Mutant(
        "related-leaves-unsalted",
        "Related leaves have no salt, so whoever sees one guesses serials until a sibling's leaf fits.",
        "CUSTODY_RULES, model 6",
        "ledger/state/links.py",
        "return tagged_hash(Tag.RELATED_SALT, network, encode((subject_salt, key)))[:SALT_BYTES]",
        "return bytes(SALT_BYTES)",
        "tests/state/test_links.py::test_no_leaf_is_guessed_by_who_does_not_know_the_item",
    ),
    Mutant(
        "one-salt-for-all-subjects",
        "All subjects of an item share one salt, so showing one lets the other 999 be guessed.",
        "DESIGN §4 Item",
        _TRANSACTION,
        "return tagged_hash(Tag.SUBJECT_SALT, network, encode((subject_salt, index)))[:SALT_BYTES]",
        "return tagged_hash(Tag.SUBJECT_SALT, network, encode((subject_salt, 0)))[:SALT_BYTES]",
        "tests/state/test_links.py::test_no_leaf_is_guessed_by_who_does_not_know_the_item",
    ),
)
