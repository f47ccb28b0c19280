"""Things, parties and circumstances as a member may name them."""

from __future__ import annotations

from hypothesis import strategies as st

from client.events import Circumstances
from client.spelling import Thing
from ledger.trade.identifiers import canonical
from ledger.trade.statement import Quantity
from tests.world.world import lot, party, place, serial, sscc

SERIALS = st.integers(1, 10**9).map(lambda number: Thing(canonical(serial("9521234", 1, number))))
UNITS = st.integers(1, 10**6).map(lambda number: Thing(canonical(sscc("9521234", number))))
CONTAINERS = st.sampled_from(["CSQU3054383", "MSCU6639870", "TGHU1234564"]).filter(
    lambda number: canonical(f"urn:epc:id:bic:{number}").kind == "container"
).map(lambda number: Thing(canonical(f"urn:epc:id:bic:{number}")))  # fmt: skip
# An extract says a quantity in its least scale, so amounts end in no zero behind the point.
QUANTITIES = st.tuples(
    st.integers(1, 10**9), st.integers(0, 6), st.sampled_from(["", "KGM", "EA", "LTR"])
).map(lambda parts: Quantity(parts[0] * 10 + 1 if parts[1] else parts[0], *parts[1:]))
LOTS = st.tuples(st.text("ABC123-/%+", min_size=1, max_size=8), QUANTITIES).map(
    lambda parts: Thing(canonical(lot("9521234", 2, "".join(f"%{ord(c):02X}" for c in parts[0]))), parts[1])
)
THINGS = st.lists(
    st.one_of(SERIALS, UNITS, LOTS), min_size=1, max_size=6, unique_by=lambda one: one.identifier.text
)
PARTIES = st.integers(1, 999).map(lambda number: canonical(party(number)))
SEALS = st.lists(st.text("ABC0123456789-", min_size=1, max_size=12), max_size=3, unique=True).map(tuple)
DOCUMENTS = st.sampled_from(
    ["urn:custody:doc:ucr:4NL123456789-A7", "urn:custody:doc:bol:MAEU:4711", "urn:custody:seal:77-B"]
).map(canonical)
CIRCUMSTANCES = st.builds(
    Circumstances,
    time_ms=st.integers(0, 4_000_000_000_000),
    offset_minutes=st.integers(-14 * 60, 14 * 60),
    place=st.none() | st.integers(1, 999).map(lambda number: canonical(place(number))),
    location=st.none() | st.integers(1, 999).map(lambda number: canonical(place(number))),
    documents=st.lists(DOCUMENTS, max_size=2, unique=True).map(tuple),
    seals=SEALS,
    other_seals=st.just(()),
    new_seals=st.just(()),
    disposition=st.none(),
)
