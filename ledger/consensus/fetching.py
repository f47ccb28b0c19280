"""Asking for what is missing, one peer after another (CONSENSUS 9, 15, 28).

The machine says after each step what it needs; what is no longer needed is forgotten, what is needed is asked for at
once from the likeliest peer, then every t_l / 2 from the next one; after each round through all peers twice as long passes,
four t_l at most, so that a large answer that is on its way is not asked for again and again. While much is missing, as when
catching up from far behind, and answers keep coming, what was asked for is on its way and is not asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from ledger.base.limits import BATCHES_PER_FETCH, BLOCKS_PER_FETCH, CERTIFICATES_PER_FETCH
from ledger.chain.votes import Kind
from ledger.consensus.messages import (
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    FetchRange,
    Message,
)

_Member = TypeVar("_Member")
_DOUBLINGS_MAX: Final = 3
_MANY: Final = 32
"""More needs than one view or proposal can have: this validator is far behind."""


class NeedBatch(NamedTuple):
    """A batch that a proposal or a block to execute names."""

    batch: bytes


class NeedBlock(NamedTuple):
    """A block that a certificate or a block names."""

    block: bytes


class NeedCertificate(NamedTuple):
    """The certificate of this kind in this view."""

    kind: Kind
    view: int


class NeedRange(NamedTuple):
    """The committed blocks from this height on."""

    height: int


Need = NeedBatch | NeedBlock | NeedCertificate | NeedRange


class _Attempt:
    __slots__ = ("at_ms", "count", "peer")

    def __init__(self, peer: int, at_ms: int) -> None:
        self.peer = peer
        self.at_ms = at_ms
        self.count = 0


class Fetcher:
    """Which needs are outstanding, whom each goes to next, and when."""

    def __init__(self, epoch: int, me: int, peers: int, interval_ms: int) -> None:
        self._epoch = epoch
        self._me = me
        self.peers = peers
        """How many there are to ask, this node among them."""
        self._interval_ms = interval_ms
        self._attempts: dict[Need, _Attempt] = {}
        self._answered_at_ms: int | None = None

    def is_wanted(self, need: Need) -> bool:
        """Whether an answer to this need is awaited."""
        return need in self._attempts

    def next_at_ms(self) -> int | None:
        """When the next question is due, if any is."""
        return min((attempt.at_ms for attempt in self._attempts.values()), default=None)

    def settle(self, needs: Mapping[Need, int], now_ms: int) -> list[tuple[int, Message]]:
        """Take over the needs (each with the peer to ask first) and return the questions that are due."""
        for need in [need for need in self._attempts if need not in needs]:
            if self._attempts.pop(need).count:
                self._answered_at_ms = now_ms
        is_coming = (
            len(needs) > _MANY
            and self._answered_at_ms is not None
            and now_ms < self._answered_at_ms + (self._interval_ms << _DOUBLINGS_MAX)
        )
        due: dict[int, list[Need]] = {}
        for need, first in needs.items():
            attempt = self._attempts.get(need)
            if attempt is None:
                attempt = self._attempts[need] = _Attempt(self._not_me(first), now_ms)
            if attempt.at_ms <= now_ms and attempt.count and is_coming:
                attempt.at_ms = now_ms + self._interval_ms
            elif attempt.at_ms <= now_ms:
                due.setdefault(attempt.peer, []).append(need)
                attempt.peer = self._not_me(attempt.peer + 1)
                rounds = attempt.count // (self.peers - 1)
                attempt.at_ms = now_ms + (self._interval_ms << min(rounds, _DOUBLINGS_MAX))
                attempt.count += 1
        return [(peer, message) for peer, asked in due.items() for message in self._messages(asked)]

    def _not_me(self, peer: int) -> int:
        peer %= self.peers
        return (peer + 1) % self.peers if peer == self._me else peer

    def _messages(self, needs: list[Need]) -> list[Message]:
        batches = [need.batch for need in needs if isinstance(need, NeedBatch)]
        blocks = [need.block for need in needs if isinstance(need, NeedBlock)]
        certificates = [(need.kind, need.view) for need in needs if isinstance(need, NeedCertificate)]
        ranges: list[Message] = [FetchRange(need.height) for need in needs if isinstance(need, NeedRange)]
        return [
            *(FetchBatches(tuple(part)) for part in _parts(batches, BATCHES_PER_FETCH)),
            *(FetchBlocks(tuple(part)) for part in _parts(blocks, BLOCKS_PER_FETCH)),
            *(
                FetchCertificates(self._epoch, tuple(part))
                for part in _parts(certificates, CERTIFICATES_PER_FETCH)
            ),
            *ranges,
        ]


class Asked:
    """Whom announced batches were asked from: an announcer that did not answer must not keep others from being asked."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._asked: dict[bytes, tuple[int, frozenset[int]]] = {}

    def may_ask(self, digest: bytes, peer: int, now_ms: int) -> bool:
        """Whether to ask `peer` for the batch it announced; if so that is remembered.

        One peer is asked at a time, for half an interval; nobody twice until four intervals passed.
        """
        self._forget(now_ms)
        at_ms, tried = self._asked.get(digest, (None, frozenset[int]()))
        if at_ms is not None and (peer in tried or now_ms < at_ms + self._interval_ms // 2):
            return False
        self._asked.pop(digest, None)
        self._asked[digest] = (now_ms, tried | {peer})
        return True

    def _forget(self, now_ms: int) -> None:
        """Drop what was asked long ago; the oldest stand first."""
        while self._asked:
            digest, (at_ms, _) = next(iter(self._asked.items()))
            if now_ms < at_ms + 4 * self._interval_ms:
                break
            del self._asked[digest]


def _parts(members: list[_Member], size: int) -> list[list[_Member]]:
    return [members[start : start + size] for start in range(0, len(members), size)]
