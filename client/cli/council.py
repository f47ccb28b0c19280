"""Who acts in governance, and what every one of its commands takes (`client.cli.govern`, `client.cli.proposing`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from client.cli.options import (
    anchor_path,
    gateway,
    now_ms,
    organisation_of,
    passphrases,
    settings,
)
from client.cli.output import note
from client.keys import load_key
from ledger.base.errors import Code, CustodyError, EntitlementError, FormError

if TYPE_CHECKING:
    from client.gateway import Gateway
    from client.governing import Proposal
    from client.settings import Settings
    from ledger.base.keys import Signer
    from ledger.chain.transaction import Transaction
    from ledger.proof.anchor import Anchor
    from ledger.proof.registry import VerifiedRegistry

_APPROVER: Final = "approver"
ID_SHOWN: Final = 16
KEY = Annotated[
    Path | None,
    typer.Option(
        "--key", help="The approver's key; else approver.key beside the signing key.", show_default=False
    ),
]


class Desk:
    """Who acts, with which key, through which gateway."""

    def __init__(
        self,
        organisation: str | None,
        key: Path | None,
        descriptor: int | None,
        gateways: list[str] | None,
        anchor: Path | None,
    ) -> None:
        self.settings: Settings = settings()
        self._organisation = organisation
        self._key = key
        self._descriptor = descriptor
        self._gateways = gateways
        self._anchor = anchor

    @property
    def organisation(self) -> str:
        """Who acts."""
        return organisation_of(self.settings, self._organisation)

    def key(self) -> Signer:
        """The approver's key."""
        beside = None if self.settings.key is None else self.settings.key.with_name(f"{_APPROVER}.key")
        path = self._key or beside
        if path is None:
            raise FormError(Code.USAGE, "expected --key with the approver's key, got none")
        return load_key(path, passphrases(self._descriptor), use=_APPROVER)

    @property
    def network(self) -> bytes:
        """The network that is trusted."""
        return self._trusted().network

    def _trusted(self) -> Anchor:
        from client.anchor import load_anchor

        return load_anchor(anchor_path(self.settings, self._anchor)).anchor

    def registry(self, client: Gateway) -> VerifiedRegistry:
        """The registry now, verified."""
        return self.verified(client.registry())

    def verified(self, found: bytes) -> VerifiedRegistry:
        """What a registry file proves from the trust anchor."""
        from ledger.proof.registry import verify_registry_file

        return verify_registry_file(self._trusted(), found)

    def open(self) -> Any:
        """The gateway, as a context."""
        return gateway(self.settings, self._gateways)

    def submit(self, client: Gateway, item: Sequence[Any]) -> int:
        """Sign one item as an approver and hand it in; the height at which it is final.

        Where the organisation's policy wants a person's approval first, that is asked for and waited for.
        """
        from client.acts import done, request_body, sign_acts
        from client.cli.approve import APPROVED, asked
        from ledger.chain.transaction import Kind

        key, network = self.key(), self.network

        def signed() -> Transaction:
            return sign_acts(key, network, self.organisation, Kind.GOVERNANCE, [item], now_ms=now_ms())

        try:
            return done(client.hand_in([signed()])[0]).height or 0
        except CustodyError as error:
            if error.code != Code.NOT_APPROVED:
                raise
        # What was refused is remembered; the approval is of the item, whoever signs it when.
        again = signed()
        note(f"{self.organisation} wants a person to approve this first; open the link and use the passkey")
        for told in asked(client, [request_body([again])], again.header.expiry_ms):
            if told["status"] != APPROVED:
                raise EntitlementError(
                    Code.NOT_APPROVED,
                    "expected a person's approval in time, it did not come; nothing was done",
                )
        return done(client.hand_in([again])[0]).height or 0


def proposal_json(one: Proposal, found: VerifiedRegistry) -> dict[str, Any]:
    """A proposal for programs, with how many votes it needs while it is open."""
    from client.governing import describe, needed

    votes, of = needed(found, int(one.change[0]))
    return {
        "id": one.id.hex(),
        "status": one.word(found.checkpoint.header.time_ms),
        "proposer": one.proposer,
        "change": describe(one.change),
        "reason": one.reason,
        "height": one.height,
        "settled": one.settled,
        "expires_ms": one.expires_ms,
        "needed": votes if one.settled is None else None,
        "of": of if one.settled is None else None,
        "ballots": [
            {"organisation": cast.organisation, "yes": cast.is_yes, "height": cast.height}
            for cast in one.ballots
        ],
        "as_of": found.checkpoint.header.height,
    }
