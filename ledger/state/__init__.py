"""Execution: apply(block) -> outcome, receipts (PROTOCOL.md §7). The rules decide; this writes down what they decided.

links    entries, links, chain heads and the related root: what one item leaves behind for good
item     one item: its view of the records, its legs decided, the changes it makes
firsts   the first that is heard of a thing, for which the rules are asked once for all things alike
mismatch bytes of an event that contradict its extract
attestation  what a device attested to executes once
pending  what a block changes so far, and room for it in the state tree
block    one block: transactions, receipts, the outcome
state    the state between blocks: records, tree, event log, remembered ids, and how a block is undone
snapshot what proves the parts of a state at one checkpoint
backfill what proves the history below it
"""
