"""Four validators whose keys are hybrid: votes, certificates, transactions and proofs as of any network."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.base.errors import SignatureError
from ledger.base.keys import HYBRID_SIGNATURE_BYTES, is_hybrid
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verify import verify
from node.changes import deliver_key, read_seat
from node.local.protocol import State
from node.storage.keystore import Keystore
from tests.validator.network import Network, item, with_made


def test_hybrid_validators_agree_restart_and_prove(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        author = network.author()
        assert all(is_hybrid(seat.public_key) for seat in network.made.genesis.validators)
        (status,) = await network.clients["maker"].submit((author.submission(range(3)),))
        assert status.state is State.FINAL
        assert [receipt.refusal for receipt in status.receipts] == ["", "", ""]
        await network.same_height()
        await network.stop("carrier")
        await network.start("carrier")
        await network.connected()
        (seen,) = await network.clients["carrier"].submit((author.submission((1,), is_first=False),))
        assert seen.state is State.FINAL
        data = await network.clients["forwarder"].prove([item(1)])
        anchor = anchor_from_genesis(network.made.genesis)
        assert verify(data, anchor).anchor == anchor
        signatures = bundle_from_bytes(data).checkpoint.certificate.signatures
        assert len(signatures) == 3 * HYBRID_SIGNATURE_BYTES

    with_made(lambda: Network(tmp_path, hybrid=True), scenario)


@pytest.mark.parametrize("hybrid", [False, True])
def test_an_organisation_delivers_keys_of_the_kind_that_it_approves_with(
    tmp_path: Path, hybrid: bool
) -> None:
    made = Network(tmp_path, hybrid=hybrid).made
    delivered = deliver_key(Keystore(made.folders["maker"] / "keys"), "maker", made.genesis.network, 1, None)
    assert is_hybrid(delivered.seat.public_key) == hybrid
    (tmp_path / "seat.json").write_text(delivered.to_text())
    assert read_seat(tmp_path / "seat.json", made.genesis.network) == delivered
    altered = delivered.possession[:64] + bytes(len(delivered.possession) - 64) if hybrid else bytes(64)
    (tmp_path / "seat.json").write_text(delivered._replace(possession=altered).to_text())
    with pytest.raises(SignatureError, match=r"seat\.json: expected"):
        read_seat(tmp_path / "seat.json", made.genesis.network)
