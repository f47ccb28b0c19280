"""The kinds of frames between validators (WIRE_TRANSPORT.md §4, §6): a node that is joining must take in all of them."""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from node.transport.connection import Lane
from node.transport.mesh import FrameKind

CONSENSUS_FRAME: Final = 16
BATCH_FRAME: Final = 17
REPLY_FRAME: Final = 18
ASK_FRAME: Final = 19
ANSWER_FRAME: Final = 20
KINDS: Final = {
    CONSENSUS_FRAME: FrameKind(limits.CONSENSUS_MESSAGE_BYTES, Lane.URGENT),
    BATCH_FRAME: FrameKind(limits.FRAME_BYTES, Lane.BULK),
    REPLY_FRAME: FrameKind(limits.CONSENSUS_MESSAGE_BYTES, Lane.BULK),
    ASK_FRAME: FrameKind(limits.SYNC_REQUEST_BYTES, Lane.BULK),
    ANSWER_FRAME: FrameKind(limits.FRAME_BYTES, Lane.BULK),
}
