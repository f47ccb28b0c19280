"""The shortest histories on which the ledger and the naive model once differed."""

from __future__ import annotations

from ledger.trade.statement import Action, Role
from tests.model.acts import BOXES, ITEMS, OUTSIDE, PRODUCTS, UCR
from tests.model.both import Both

PARENT, CHILD, OBJECT, DOCUMENT = Role.PARENT, Role.CHILD, Role.OBJECT, Role.DOCUMENT
INPUT, OUTPUT = Role.INPUT, Role.OUTPUT
THING, OTHER = ITEMS[0], ITEMS[1]
CASE, BOX = BOXES[0], BOXES[2]


def test_packing_inside_a_container_left_outside_claims_case_and_child() -> None:
    both = Both()
    both.say("maker", Action.PACK, (PARENT, BOX), (CHILD, THING), (CHILD, CASE))
    both.say("maker", Action.OFFER, (OBJECT, BOX), (OBJECT, THING), outside=OUTSIDE)
    both.say("maker", Action.PACK, (PARENT, CASE), (CHILD, THING))


def test_a_document_mentioned_by_a_stranger_can_still_be_declared() -> None:
    both = Both()
    both.say("rival", Action.UNBIND, (OBJECT, CASE), (DOCUMENT, UCR))
    both.say("maker", Action.BIND, (OBJECT, THING), (DOCUMENT, UCR))


def test_a_correction_tells_the_restored_container_no_untruth() -> None:
    both = Both()
    both.say("forwarder", Action.PACK, (PARENT, CASE), (CHILD, THING))
    both.say("forwarder", Action.PACK, (PARENT, BOX), (CHILD, THING))
    both.say("forwarder", Action.CORRECT, (PARENT, BOX), (CHILD, THING), cites=1)


def test_seals_end_with_what_they_sealed() -> None:
    both = Both()
    both.say("maker", Action.PACK, (PARENT, CASE), (CHILD, THING))
    both.say("maker", Action.OBSERVE, (OBJECT, CASE), seals=("S1",))
    both.say("maker", Action.TRANSFORM, (INPUT, CASE), (OUTPUT, PRODUCTS[0]))


def test_a_lapsed_claim_is_not_there_to_be_taken_back() -> None:
    both = Both()
    both.say("customs", Action.PACK, (PARENT, CASE), (CHILD, OTHER))
    both.say("maker", Action.ACCEPT, (OBJECT, OTHER))
    both.say("customs", Action.OFFER, (OBJECT, CASE), to="maker")
    both.say("maker", Action.ACCEPT, (OBJECT, CASE))
    both.say("maker", Action.CORRECT, (OBJECT, OTHER), cites=1)
