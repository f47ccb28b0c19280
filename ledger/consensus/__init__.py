"""The consensus: a state machine without input or output (ledger/spec/CONSENSUS.md).

    machine = Consensus(setup, start)        # one epoch; start: last committed block and the vote log, or the anchor
    effects = machine.step(now_ms, wall_ms, input)

`now_ms` is monotonic (timers), `wall_ms` is Unix time (block times); both are integers and only compared with values
of their own kind. A step is a function of state and arguments: it reads no clock, draws nothing, and never blocks.

The driver's contract
=====================
Whoever drives the machine (node/validator, the simulator) keeps these; safety hangs on 1, 2, 3 and 7.

1. **Order.** Effects are carried out in the order given. A `Persist` appends records to the vote log; no vote or proposal
   that follows it (`Send`, `Broadcast`) may leave before the log *and everything stored under 2* is synced.
   Many steps may share one sync: collect the effects of a loop turn, append every record, sync once, then do the rest
   in order. Everything else (certificates, a `Commit`) promises nothing of this validator's and needs no sync: whoever
   signed a certificate synced first. A failed sync ends the process.
2. **Batches.** A batch is handed in by `BatchHeld` only when it is *held*: complete, every signature, cap and
   transaction checked, every open item's bytes present and matching, all of it written to the payload store (the sync
   of 1 then covers it; the payload store is synced *before* the log's records are written, or both are one file, so
   that no logged vote outlives the batch it speaks of). Its digest is the tagged hash (Tag.BATCH) of its exact bytes, authors' signatures included,
   open bytes not. The machine never sees the bytes, but for a change of epoch, which is a batch of its own: `change`
   is the transaction; nothing of it is checked before but form and signature. `origin` is who is charged for it: the own index, or the peer
   whose connection brought it. Before accepting a pushed batch ask `has_room(origin, size)`; a batch for which
   `wants_batch(digest)` is true is accepted whatever the room. New batches are pushed to all peers by the driver; the
   machine announces digests only while stuck, and asks for batches with `FetchBatches`.
3. **Votes and blocks are the machine's to store, not to send twice.** The vote log holds records exactly as given, in
   order, each with a checksum (`messages.encode_message` is their encoding); own votes and proposals are re-sent by
   the machine from there, never built anew.
4. **Execution.** `Execute(block_hash, block)`: execute on top of the state after `block.header.parent`, as an overlay
   that can be undone, and answer with `Executed(block_hash, outcome)`, in a later step, whenever it is done. Blocks
   that lose a view may have been executed: whatever stands above the parent is undone first. The outcome must depend
   on nothing but the chain. The parent was executed or committed before, and stands; all batches are held. One is asked for at a
   time; a block that was undone and is built on after all is asked for again.
5. **Commit.** `Commit(block_hash, block, outcome, certificate)`, in order of height: final. Make it durable, drop other
   overlays, answer clients. `certificate` is the block's own finalisation, or None for a block that is final through
   a descendant (which then follows in the same step); with it, header, outcome and certificate are a checkpoint. If
   the overlay was undone for another branch, execute again.
6. **Messages.** Peers are named by index, authenticated by the transport: validators by their place in the set, others who are
   let in (validators of another epoch, nodes that follow) by numbers from the size of the set on, one each; `OthersChanged` when there are more of them. A `Broadcast`
   goes to all of them. Batches are taken from validators of the epoch only. `decode_message` every consensus
   frame; a FormError drops the peer. Pass every message to `Received`. `Serve(peer, request)` asks the driver to
   answer from its stores: FetchBatches with batches (transport's own frames), FetchBlocks with `Blocks`, FetchRange
   with `Range` made of committed blocks from that height, the last one directly certified; what is not there is left
   out silently. `Connected(peer)` on every new connection.
7. **Restart.** Feed `Start` with the last block that is durably committed *with its own finalisation* (or genesis), the
   batch digests of up to 64 blocks up to and including it, and all of the vote log's records in order, of whatever
   epoch; then one `Begin`; then a `BatchHeld` for every stored batch that no committed block has. Blocks above are
   executed again. Chain data without its vote log, or a log restored from a backup, means a new key: never start on it.
   The epoch is the block's, or the next one if the block closes its epoch: then it is the anchor, and has no certificate.
8. **Compaction.** Once the last `Commit` is durable, the log may be replaced by `live_records()`. These include what the
   log holds of later epochs.
9. **Timer.** `now_ms` stands still while a block is executed. `SetTimer(at_ms)` replaces the timer set before; call `step` with `Tick()` at or after it. Early, late or
   repeated ticks are harmless.
10. `Accuse(evidence)` becomes an evidence transaction; `Alarm` goes to the operator; `Drop(peer)` closes the connection;
    `SendClosing(peer, epoch)` asks to send the certificate of the block that closed `epoch`, from the stores; `Halt(error)` means that this node contradicts what a quorum certified: stop, keep the data, rebuild.
11. **The end of an epoch.** `EndEpoch` follows the `Commit` of the block that closed it; whatever is still to be executed or
    was handed in falls away. Make the log and the chain durable up to that block; only then may the private key of the epoch be
    destroyed, and it must be. Then a machine for the next epoch starts as in 7, on the same log, with its own set, key and
    parameters; a `Connected` for every peer that is connected, a `BatchHeld` for every batch that waits. A node without a
    seat passes no key: it follows, and is never to send what was signed by a key it has no more.
"""

from __future__ import annotations

from ledger.consensus.interface import Setup, Start
from ledger.consensus.machine import Consensus

__all__ = ["Consensus", "Setup", "Start"]
