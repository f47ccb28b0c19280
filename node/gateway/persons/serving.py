"""The ceremonies of a node's gateway, from its folder and origin to routes (PERSONS.md §4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter

from ledger.base.keys import Signer
from node.gateway.persons.routes import router
from node.gateway.persons.service import Persons, party_of
from node.gateway.persons.store import PersonStore
from node.gateway.service import Gateway, persistently
from node.local.protocol import Submission, TransactionStatus, WaitFor


def serve_persons(
    gateway: Gateway, folder: Path, organisation: str, key: Signer, origin: str, clock_ms: Callable[[], int]
) -> APIRouter:
    """Routes over `folder`, the node's; approvals are signed with `key`, the capture key. FormError for an origin of no use."""

    async def submit(data: bytes) -> TransactionStatus:
        async with gateway.finality():
            (status,) = await persistently(
                lambda: gateway.submitter.submit([Submission(data)], WaitFor.FINAL)
            )
            return status

    party = party_of(origin)
    return router(
        gateway, Persons(PersonStore(folder), party, gateway.network, organisation, key, submit, clock_ms)
    )
