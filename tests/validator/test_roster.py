"""Whom the consensus hears as which validator, by which transport keys (CONSENSUS 5, 29; WIRE_TRANSPORT.md §2)."""

from __future__ import annotations

from pathlib import Path

from ledger.base.keys import SigningKey
from ledger.chain.genesis import Seat
from ledger.chain.validators import Validator, ValidatorSet
from ledger.consensus.interface import Parameters
from ledger.members.members import Use
from ledger.members.registry import Entry, Kind, Period, Registry
from node.config import Address, NodeConfig, PeerAddress, SnapshotConfig, transport_pin
from node.validator.epochs import Epoch
from node.validator.roster import Pins, Roster

NETWORK = bytes(range(32))
NAMES = ("a", "b", "c", "d")
FOLLOWER = "e"
HEIGHT = 10


def key(name: str) -> bytes:
    return SigningKey.from_seed(name.encode().ljust(32, b"-")).public_key


SEATS = tuple(Seat(name, key(f"vote {name}"), transport_pin(key(name))) for name in NAMES)
EPOCH = Epoch(
    1,
    SEATS,
    ValidatorSet(NETWORK, [Validator(seat.organisation, seat.public_key) for seat in SEATS]),
    Parameters(),
    protocol=1,
)


def member(name: str, until: int | None = None) -> Entry:
    return Entry(Kind.ORGANISATION, name, (Period(0, until, (name, "NL", ("logistics",), False)),))


def listed(
    name: str,
    organisation: str,
    *,
    since: int = 5,
    until: int | None = None,
    compromised: int | None = None,
    use: Use = Use.TRANSPORT,
) -> Entry:
    """A key of the registry, by the name that `key` makes it of."""
    data = (organisation, int(use), compromised, None)
    return Entry(Kind.KEY, key(name).hex(), (Period(since, until, data),))


def roster(*entries: Entry, before: Roster | None = None, gone: str = "", **keys: str) -> Roster:
    """Of validator a; `keys`: by which transport key's name node.toml knows a peer; `gone`: who stands no more in it."""
    names = (*NAMES[1:], FOLLOWER, *sorted(set(keys) - {*NAMES, FOLLOWER}))
    address = Address("127.0.0.1", 1)
    peers = tuple(PeerAddress(name, address, key(keys.get(name, name))) for name in names if name != gone)
    config = NodeConfig("a", Path(), address, address, peers, 0, SnapshotConfig(0, 0, 0))
    named = {entry.name for entry in entries if entry.kind == Kind.ORGANISATION}
    members = [member(name) for name in ("a", *names) if name not in named]
    return Roster(EPOCH, config, Pins(SEATS, Registry(NETWORK, [*members, *entries]), HEIGHT), before)


def keys_of(found: Roster, name: str) -> set[bytes]:
    (peer,) = [peer for peer in found.peers if peer.name == name]
    return set(peer.accepted)


def test_peers_are_numbered_as_the_set_has_them_and_others_after() -> None:
    found = roster()
    assert {found.names[found.index_of[key(name)]] for name in (*NAMES[1:], FOLLOWER)} == {"b", "c", "d", "e"}
    assert [found.index_of[key(name)] for name in (*NAMES[1:], FOLLOWER)] == [1, 2, 3, 4]
    assert found.others == 1
    assert found.warnings == ()


def test_a_peer_speaks_as_a_validator_only_with_a_transport_key_that_its_seat_pins_or_the_ledger_lists() -> (
    None
):
    found = roster(c="stolen or old")
    assert found.index_of[key("stolen or old")] >= len(NAMES)
    assert 2 not in found.key_of
    assert any("c" in warning for warning in found.warnings)

    found = roster(listed("stolen or old", "c"), c="stolen or old")
    assert found.index_of[key("stolen or old")] == 2
    assert keys_of(found, "c") == {key("stolen or old")}, "of the pinned one nobody knows more than its hash"
    assert found.warnings == ()


def test_an_enrolled_key_holds_beside_the_one_before_until_that_is_revoked() -> None:
    both = roster(listed("new", "c"))
    assert both.index_of[key("c")] == 2
    assert keys_of(both, "c") == {key("c"), key("new")}
    assert both.warnings == ()

    for ended in (listed("c", "c", until=HEIGHT), listed("c", "c", compromised=3)):
        alone = roster(listed("new", "c"), ended)
        assert alone.index_of[key("c")] == 2, "node.toml goes on calling it so"
        assert keys_of(alone, "c") == {key("new")}
        assert any(" c; " in text and key("new").hex() in text for text in alone.warnings)


def test_a_revoked_key_lets_nobody_in_though_the_seat_pins_it_and_node_toml_names_it() -> None:
    found = roster(listed("c", "c", until=HEIGHT))
    assert keys_of(found, "c") == set()
    assert 2 not in found.key_of
    assert keys_of(roster(listed("e", "e", until=HEIGHT)), "e") == set()


def test_a_key_counts_from_its_height_on_and_to_its_end_and_for_its_organisation_and_use_alone() -> None:
    assert keys_of(roster(listed("new", "c", since=HEIGHT + 1)), "c") == {key("c")}
    assert keys_of(roster(listed("new", "c", since=HEIGHT)), "c") == {key("c"), key("new")}
    assert keys_of(roster(listed("new", "c", until=HEIGHT + 1)), "c") == {key("c"), key("new")}
    assert keys_of(roster(listed("new", "c", until=HEIGHT)), "c") == {key("c")}
    assert keys_of(roster(listed("new", "d")), "c") == {key("c")}
    assert keys_of(roster(listed("new", "c", use=Use.SIGN)), "c") == {key("c")}


def test_a_key_of_another_organisation_in_node_toml_makes_nobody_that_organisation() -> None:
    found = roster(d="c", c="unknown")
    assert found.index_of[key("c")] >= len(NAMES), "the pin is of the seat of c, who shows it says to be d"


def test_a_follower_is_let_in_with_what_the_ledger_lists_and_what_node_toml_says() -> None:
    found = roster(listed("new", "e"))
    assert keys_of(found, "e") == {key("e"), key("new")}
    assert found.index_of[key("e")] == 4


def test_who_was_removed_is_not_let_in_and_who_is_not_listed_yet_is_and_both_are_said() -> None:
    found = roster(member("e", until=HEIGHT), member("f", until=HEIGHT + 1), f="f")
    assert keys_of(found, "e") == set()
    assert keys_of(found, "f") == {key("f")}
    assert [text for text in found.warnings if "e was removed" in text]
    early = roster(Entry(Kind.ORGANISATION, "f", ()), f="f")
    assert keys_of(early, "f") == set(), "an entry without a period was one once"


def test_numbers_stay_while_an_epoch_lasts() -> None:
    before = roster(f="f", g="g")
    assert (before.index_of[key("e")], before.index_of[key("f")], before.index_of[key("g")]) == (4, 5, 6)
    after = roster(before=before, gone="e", f="f", g="g", d="other")
    assert (after.index_of[key("f")], after.index_of[key("g")], after.index_of[key("other")]) == (5, 6, 7)
    assert after.names[4] == "e", "frames of one that is gone may still wait"
    assert after.others == 4
    back = roster(before=after, f="f", g="g")
    assert (back.index_of[key("e")], back.index_of[key("d")]) == (4, 3)
