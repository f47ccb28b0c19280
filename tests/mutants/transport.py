"""Bugs in who is talked to, and in how much a peer may make a node hold."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_IDENTITY: Final = "node/transport/identity.py"
_T_MESH: Final = "tests/transport/test_mesh.py::"
_T_FRAMING: Final = "tests/transport/test_framing.py::"

MUTANTS: Final = (
    Mutant(
        "both-sides-dial",
        "Who should listen dials too, at once: two connections cross, and whichever comes last counts.",
        "WIRE_TRANSPORT §3",
        "node/transport/mesh.py",
        "if known not in self._links and peer.name < self._name:",
        "if known in self._links and peer.name < self._name:",
        _T_MESH + "test_the_one_that_listens_waits_to_be_dialled",
    ),
    Mutant(
        "peer-of-another-network",
        "A peer of another network counts as connected.",
        "WIRE_TRANSPORT §3",
        "node/transport/mesh.py",
        'if take_bytes(network, "network", HASH_BYTES) != self.identity.network:',
        'if not take_bytes(network, "network", HASH_BYTES):',
        _T_MESH + "test_a_bad_hello_ends_the_connection",
    ),
    Mutant(
        "frame-of-any-length",
        "A peer announces a frame of 4 GB and the node waits for it.",
        "WIRE_TRANSPORT §1",
        "node/transport/framing.py",
        "if length > self._caps.get(kind, -1):",
        "if kind not in self._caps:",
        _T_FRAMING + "test_a_kind_or_a_length_too_much_is_refused_before_a_byte_of_it_is_held",
    ),
    Mutant(
        "outbox-without-bound",
        "A peer that takes nothing makes the node hold everything it is sent.",
        "WIRE_TRANSPORT §4",
        "node/transport/connection.py",
        "if self.bulk_bytes + size > self._bulk_cap:",
        "if size > self._bulk_cap:",
        _T_FRAMING + "test_an_outbox_never_holds_more_than_its_caps",
    ),
    Mutant(
        "origin-without-bound",
        "One origin fills every validator's memory with batches that nobody can order.",
        "CONSENSUS 26",
        "ledger/consensus/batches.py",
        "return origin in self._charged and self._charged[origin] + size <= UNORDERED_BYTES_PER_ORIGIN",
        "return origin in self._charged and size <= UNORDERED_BYTES_PER_ORIGIN",
        "tests/consensus/test_batches.py::test_an_origin_is_charged_until_its_batches_are_ordered",
    ),
    Mutant(
        "finalise-votes-without-bound",
        "One liar's finalise votes for far views fill every validator's memory.",
        "CONSENSUS 26",
        "ledger/consensus/counting.py",
        "if len(held) <= FINALISE_VIEWS_HELD:",
        "if held:",
        "tests/consensus/test_counting.py::test_finalise_votes_of_one_signer_are_bounded_and_the_lowest_goes_first",
    ),
    Mutant(
        "socket-open-to-all",
        "Every user of the machine speaks to the validator over its private socket.",
        "DESIGN §6",
        "node/transport/local_service.py",
        "before = os.umask(0o177)",
        "before = os.umask(0o111)",
        "tests/transport/test_local_service.py::test_requests_are_answered_and_the_socket_is_private",
    ),
)
