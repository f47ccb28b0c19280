"""Events of every row of the custody rules and what is extracted from each, or the code it is refused with.

All identifiers are made up under the GS1 demonstration prefix 952; the events are written here for this purpose.
"""

from __future__ import annotations

import json
from typing import Any

from ledger.base.encoding import encode
from ledger.base.errors import CustodyError
from ledger.trade.extract import extract
from ledger.trade.statement import Action, Flag, Role

EPCIS = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
NAMESPACE = "https://custody-ledger.org/ns/"
ITEM = "https://id.gs1.org/01/09521141012345/21/2017"
OTHER_ITEM = "urn:epc:id:sgtin:9521141.001234.2018"
CASE = "urn:epc:id:sscc:9521141.0000000017"
PALLET = "urn:epc:id:sscc:9521141.1000000018"
CONTAINER = "urn:epc:id:bic:CSQU3054383"
LOT = "urn:epc:class:lgtin:9521141.001234.L77"
MAKER = "urn:epc:id:pgln:9521141.00001"
FORWARDER = "urn:epc:id:pgln:9521234.00001"
DOCK = {"id": "urn:epc:id:sgln:9521141.00002.dock-4"}
DIGEST = "5f" * 32


def event(kind: str, action: Any = None, step: Any = None, **more: Any) -> dict[str, Any]:
    """An event of a fixed time and place."""
    members: dict[str, Any] = {
        "type": kind,
        "eventTime": "2026-04-19T13:35:18.250-05:00",
        "eventTimeZoneOffset": "-05:00",
        "readPoint": DOCK,
    }
    if action is not None:
        members["action"] = action
    if step is not None:
        members["bizStep"] = step
    return members | more


def thing(action: Any, step: Any = None, **more: Any) -> dict[str, Any]:
    """An ObjectEvent about one item."""
    return event("ObjectEvent", action, step, **({"epcList": [ITEM]} | more))


def nested(action: Any, step: Any = None, **more: Any) -> dict[str, Any]:
    """An AggregationEvent of a pallet and a case."""
    return event("AggregationEvent", action, step, **({"parentID": PALLET, "childEPCs": [CASE]} | more))


def to(party: str, kind: str = "possessing_party") -> list[dict[str, str]]:
    """A destination list of one party."""
    return [{"type": kind, "destination": party}]


def quantity(identifier: str, number: Any = None, unit: str | None = None) -> dict[str, Any]:
    """A quantity element."""
    element = {"epcClass": identifier, "quantity": number, "uom": unit}
    return {name: value for name, value in element.items() if value is not None}


CASES: tuple[tuple[str, Any], ...] = (
    ("row 1: correction citing its original", thing("OBSERVE", "shipping", destinationList=to(FORWARDER), errorDeclaration={
        "declarationTime": "2026-04-20T08:00:00Z", "reason": "incorrect_data", "custody:original": DIGEST})),
    ("row 1: correction without an original", nested("ADD", "packing", errorDeclaration={
        "declarationTime": "2026-04-20T08:00:00Z", "reason": "did_not_occur"})),
    ("row 1: correction that names an input as an output", event("TransformationEvent", errorDeclaration={
        "declarationTime": "2026-04-20T08:00:00Z"}, inputEPCList=[ITEM], outputEPCList=[ITEM])),
    ("row 2: make", thing("ADD", "commissioning", disposition="active", epcList=[ITEM, OTHER_ITEM])),
    ("row 2: make without a step", thing("ADD")),
    ("row 2: make a lot", thing("ADD", "creating_class_instance", epcList=[], quantityList=[quantity(LOT, 1200, "KGM")])),
    ("row 2: make serials of a lot, by the link", thing("ADD", "commissioning", epcList=[
        "https://example.com/01/09521141012345/10/L77/21/1", "https://example.com/01/09521141012345/10/L77/21/2"])),
    ("row 2: make serials of a lot, by the lot number", thing("ADD", "commissioning", ilmd={"cbvmda:lotNumber": "L77"})),
    ("row 4: added under another step", thing("ADD", "receiving")),
    ("row 4: added under an unknown step", thing("ADD", "https://example.com/steps/polishing")),
    ("row 5: transform", event("TransformationEvent", None, "commissioning", transformationID="urn:uuid:0C",
        inputEPCList=[ITEM], inputQuantityList=[quantity(LOT, 12.5, "KGM")], outputEPCList=[OTHER_ITEM])),
    ("row 6: pack", nested("ADD", "packing", childEPCs=[CASE, ITEM], childQuantityList=[quantity(LOT, 24)])),
    ("row 6: pack by association", nested("ADD", "installing") | {"type": "AssociationEvent"}),
    ("row 6: pack into a container under a seal", nested("ADD", "loading", parentID=CONTAINER, childEPCs=[PALLET],
        **{"custody:seal": "hlg 7788991"})),
    ("row 7: unpack", nested("DELETE", "unpacking")),
    ("row 8: unpack all", event("AggregationEvent", "DELETE", "unpacking", parentID=PALLET)),
    ("row 9: accept the parent and compare", nested("OBSERVE", "receiving", **{"custody:count": 2})),
    ("row 10: offer", thing("OBSERVE", "shipping", destinationList=to(FORWARDER), sourceList=[
        {"type": "possessing_party", "source": MAKER}], **{"custody:lapses": "2026-05-01T00:00:00Z"})),
    ("row 10: offer, spelled as URN and Web URI", thing("OBSERVE", "urn:epcglobal:cbv:bizstep:departing",
        destinationList=to(FORWARDER, "https://ref.gs1.org/cbv/SDT-owning_party"))),
    ("row 10: possession goes before ownership", thing("OBSERVE", "cbv:BizStep-consigning",
        destinationList=to(MAKER, "owning_party") + to(FORWARDER))),
    ("row 10: offer to a party that cannot be read", thing("OBSERVE", "shipping", destinationList=to("urn:epc:id:consumer"))),
    ("row 11: open offer", thing("OBSERVE", "shipping", destinationList=to("urn:epc:id:sgln:9521141.00002.0", "location"))),
    ("row 12: accept", thing("OBSERVE", "accepting", epcList=[CONTAINER])),
    ("row 14: accept damaged goods", thing("OBSERVE", "receiving", persistentDisposition={"set": ["damaged"]})),
    ("row 14: accept with another seal, two short", nested("OBSERVE", "receiving", disposition="mismatch_instance", **{
        "custody:otherSeal": ["X1", "X2"], "custody:missing": [ITEM, quantity(LOT, 3)]})),
    ("row 17: withdraw", thing("OBSERVE", "void_shipping")),
    ("row 18: reject", thing("OBSERVE", "holding", **{"custody:handover": "reject"})),
    ("row 18: dispute", nested("OBSERVE", **{"custody:handover": "dispute"})),
    ("row 19: depart without a destination", thing("OBSERVE", "departing")),
    ("row 19: observe, with documents mentioned", thing("OBSERVE", "transporting", bizTransactionList=[
        {"type": "po", "bizTransaction": "https://example.com/po/1"}, {"type": "desadv", "bizTransaction": "https://example.com/po/1"},
        {"type": "bol", "bizTransaction": "urn:epcglobal:cbv:bt:9521141000014:B-7"}])),
    ("row 19: an event without objects is about its place", event("ObjectEvent", "OBSERVE", "sensor_reporting")),
    ("row 20: commercial hold", thing("OBSERVE", "holding")),
    ("row 21: detain", thing("OBSERVE", "holding", **{"custody:measure": "detain", "custody:case": "BE-2026-0071",
        "custody:basis": "608/2013:17"})),
    ("row 21: seize", thing("OBSERVE", "https://ref.gs1.org/cbv/BizStep-holding", **{"custody:measure": "seize",
        "custody:case": "BE-2026-0071"})),
    ("row 22: release", thing("OBSERVE", **{"custody:measure": "release", "custody:case": "BE-2026-0071"})),
    ("row 24: sample", thing("OBSERVE", "sampling", **{"custody:samples": [OTHER_ITEM]})),
    ("row 24: reseal", thing("OBSERVE", "inspecting", epcList=[CONTAINER], **{"custody:reseal": "BE-000124"})),
    ("row 25: bind", event("TransactionEvent", "ADD", epcList=[CONTAINER], bizTransactionList=[
        {"type": "custody:mrn", "bizTransaction": "26BE00000000001233"}, {"type": "bol", "bizTransaction": "MAEU123456789"}])),
    ("row 25: bind and offer", event("TransactionEvent", "ADD", "shipping", parentID=PALLET, destinationList=to(FORWARDER),
        bizTransactionList=[{"type": "inv", "bizTransaction": "urn:epc:id:gdti:9521141.00001.7"}])),
    ("row 25: bind and accept", event("TransactionEvent", "ADD", "receiving", epcList=[ITEM], destinationList=to(FORWARDER),
        disposition="damaged", bizTransactionList=[{"bizTransaction": "urn:epc:id:gdti:9521141.00001.7"}])),
    ("row 25: unbind", event("TransactionEvent", "DELETE", epcList=[ITEM], bizTransactionList=[
        {"type": "custody:ucr", "bizTransaction": "6GB123456789000-INV77"}])),
    ("row 25: unbind all", event("TransactionEvent", "DELETE", bizTransactionList=[
        {"type": "custody:ucr", "bizTransaction": "6GB123456789000-INV77"}])),
    ("row 25: mention only", event("TransactionEvent", "OBSERVE", "receiving", epcList=[ITEM], bizTransactionList=[
        {"type": "custody:seal", "bizTransaction": "HLG7788991"}])),
    ("row 26: end", thing("DELETE", "destroying")),
    ("row 26: sell", thing("OBSERVE", "retail_selling")),
    ("row 27: confirm", thing("OBSERVE", **{"custody:ruling": "confirm", "custody:cites": DIGEST})),
    ("row 27: dismiss", thing("OBSERVE", **{"custody:ruling": "dismiss", "custody:cites": DIGEST})),
    ("row 29: permit", thing("OBSERVE", epcList=[CONTAINER], **{"custody:measure": "permit", "custody:case": "T1-77",
        "custody:until": "2026-05-03T12:00:00+02:00", "custody:seal": "BE-000124", "custody:legs": [
            {"custody:from": MAKER, "custody:to": FORWARDER}, {"custody:from": FORWARDER, "custody:to": "urn:epc:id:pgln:9521987.00001"}]})),
    ("form: an opaque identifier is flagged", thing("OBSERVE", "storing", epcList=["urn:epc:id:sgtin:9521141.1.1"])),
    ("form: null is absence", thing("OBSERVE", "storing", disposition=None, destinationList=None, quantityList=None)),
    ("form: quantities are exact", thing("OBSERVE", "storing", epcList=[], quantityList=[
        quantity("urn:epc:class:lgtin:9521141.001234.A", 0.000001, "KGM"), quantity("urn:epc:class:lgtin:9521141.001234.B", 2.50, "LTR")])),
    ("form: a prefix of the author's own", thing("OBSERVE", "storing", **{"@context": {"ours": NAMESPACE, "x": "https://example.com/"},
        "ours:seal": "A1", "x:note": {"deep": [1.5]}, "epcList": ["x:things/7"]})),
    ("form: parent without children", event("AggregationEvent", "OBSERVE", "receiving", parentID=PALLET)),
    ("form: children without a parent", event("AggregationEvent", "OBSERVE", "receiving", childEPCs=[CASE])),
    ("refused: a subject twice", thing("OBSERVE", "storing", epcList=[ITEM, "urn:epc:id:sgtin:9521141.001234.2017"])),
    ("refused: its own parent", nested("ADD", "packing", childEPCs=[PALLET])),
    ("refused: no zone", thing("OBSERVE") | {"eventTime": "2026-04-19T13:35:18"}),
    ("refused: no such day", thing("OBSERVE") | {"eventTime": "2026-02-29T13:35:18Z"}),
    ("refused: a negative quantity", thing("OBSERVE", epcList=[], quantityList=[quantity(LOT, -1)])),
    ("refused: seven decimals", thing("OBSERVE", epcList=[], quantityList=[quantity(LOT, 0.0000001)])),
    ("refused: an unknown event type", event("QuantityEvent", "OBSERVE")),
    ("refused: an unknown action", thing("CREATE")),
    ("refused: pack nothing", event("AggregationEvent", "ADD", parentID=PALLET)),
    ("refused: pack into nothing", event("AggregationEvent", "ADD", childEPCs=[CASE])),
    ("refused: bind nothing", event("TransactionEvent", "ADD", epcList=[ITEM])),
    ("refused: two possessing parties", thing("OBSERVE", "shipping", destinationList=to(MAKER) + to(FORWARDER))),
    ("refused: detain without holding", thing("OBSERVE", **{"custody:measure": "detain", "custody:case": "1"})),
    ("refused: detain without a case", thing("OBSERVE", "holding", **{"custody:measure": "detain"})),
    ("refused: a misspelled measure", thing("OBSERVE", "holding", **{"custody:measure": "detained", "custody:case": "1"})),
    ("refused: a misspelled term", thing("OBSERVE", "holding", **{"custody:mesure": "detain"})),
    ("refused: a term without a meaning here", thing("OBSERVE", "storing", **{"custody:missing": [ITEM]})),
    ("refused: rule on nothing", thing("OBSERVE", **{"custody:ruling": "confirm"})),
    ("refused: measure and ruling", thing("OBSERVE", "holding", **{"custody:measure": "detain", "custody:ruling": "confirm"})),
    ("refused: an EPCIS term under a longer name", thing("OBSERVE", **{"epcis:epcList": [OTHER_ITEM]})),
    ("refused: an EPCIS term redefined", thing("OBSERVE", **{"@context": {"epcList": "https://example.com/list"}})),
    ("refused: the beginning of a URI redefined", thing("OBSERVE", **{"@context": {"urn": "https://example.com/"}})),
    ("refused: our prefix redefined", thing("OBSERVE", **{"@context": {"custody": "https://example.com/"}})),
    ("refused: a second name for one of our terms", thing("OBSERVE", **{"@context": {"m": NAMESPACE + "measure"}})),
    ("refused: a context that clears all terms", thing("OBSERVE", **{"@context": [None]})),
)  # fmt: skip
# Slices that no JSON writer would make.
RAW: tuple[tuple[str, str], ...] = (
    ("refused: a member twice", '{"type":"ObjectEvent","type":"ObjectEvent"}'),
    ("refused: an escaped member twice", '{"type":"ObjectEvent","typ\\u0065":"ObjectEvent"}'),
    ("refused: a lone surrogate", '{"type":"\\ud800"}'),
    ("refused: not a number", '{"type":NaN}'),
    ("refused: nineteen digits", '{"x":1234567890123456789}'),
    ("refused: too deep", '{"x":' + "[" * 32 + "]" * 32 + "}"),
    ("refused: space around", ' {"type":"ObjectEvent"}'),
    ("refused: no object", "[]"),
)


def generate() -> Any:
    """Each event as text with its extract (spelled out and encoded), or with the code of its refusal."""
    context = json.dumps([EPCIS, {"ex": "https://example.com/epcis/"}])
    texts = [(name, json.dumps(members, indent=None)) for name, members in CASES]
    return [_shown(name, text, context) for name, text in (*texts, *RAW)]


def _shown(name: str, text: str, context: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "event": text, "context": context}
    try:
        found = extract(text.encode("ascii"), context.encode("ascii"))
    except CustodyError as error:
        return shown | {"error": error.code.value}
    said = found.statement
    readable = said._asdict() | {
        "action": Action(said.action).name,
        "handover": Action(said.handover).name if said.handover else "",
        "flags": [flag.name for flag in Flag if flag in Flag(said.flags)],
        "cites": None if said.cites is None else said.cites.hex(),
    }
    subjects = [[Role(subject.role).name, subject.identifier, subject.quantity] for subject in found.subjects]
    return shown | {"statement": readable, "subjects": subjects, "encoded": encode(found).hex()}
