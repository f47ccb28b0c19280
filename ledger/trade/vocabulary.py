"""The closed tables of words the rules know (EXTRACT.md §5): business steps, dispositions, transaction and party types.

Each word has one code, which is what statements carry, and three spellings in events: bare, URN (CBV 1.x) and Web URI
(CBV 2.0). A word outside the table is no error; it has no custody effect. Codes are never reused; a later extractor
version may append. Source: GS1 Core Business Vocabulary 2.0, §7.1 to §7.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Step(IntEnum):
    """bizStep; 0 is none or one outside the table."""

    NONE = 0
    ACCEPTING = 1
    ARRIVING = 2
    ASSEMBLING = 3
    COLLECTING = 4
    COMMISSIONING = 5
    CONSIGNING = 6
    CREATING_CLASS_INSTANCE = 7
    CYCLE_COUNTING = 8
    DECOMMISSIONING = 9
    DEPARTING = 10
    DESTROYING = 11
    DISASSEMBLING = 12
    DISPENSING = 13
    ENCODING = 14
    ENTERING_EXITING = 15
    HOLDING = 16
    INSPECTING = 17
    INSTALLING = 18
    KILLING = 19
    LOADING = 20
    OTHER = 21
    PACKING = 22
    PICKING = 23
    RECEIVING = 24
    REMOVING = 25
    REPACKAGING = 26
    REPAIRING = 27
    REPLACING = 28
    RESERVING = 29
    RETAIL_SELLING = 30
    SAMPLING = 31
    SENSOR_REPORTING = 32
    SHIPPING = 33
    STAGING_OUTBOUND = 34
    STOCK_TAKING = 35
    STOCKING = 36
    STORING = 37
    TRANSPORTING = 38
    UNLOADING = 39
    UNPACKING = 40
    VOID_SHIPPING = 41


class Disposition(IntEnum):
    """disposition; 0 is none or one outside the table."""

    NONE = 0
    ACTIVE = 1
    AVAILABLE = 2
    COMPLETENESS_INFERRED = 3
    COMPLETENESS_VERIFIED = 4
    CONFORMANT = 5
    CONTAINER_CLOSED = 6
    CONTAINER_OPEN = 7
    DAMAGED = 8
    DESTROYED = 9
    DISPENSED = 10
    DISPOSED = 11
    ENCODED = 12
    EXPIRED = 13
    IN_PROGRESS = 14
    IN_TRANSIT = 15
    INACTIVE = 16
    MISMATCH_CLASS = 17
    MISMATCH_INSTANCE = 18
    MISMATCH_QUANTITY = 19
    NEEDS_REPLACEMENT = 20
    NO_PEDIGREE_MATCH = 21
    NON_CONFORMANT = 22
    NON_SELLABLE_OTHER = 23
    PARTIALLY_DISPENSED = 24
    RECALLED = 25
    RESERVED = 26
    RETAIL_SOLD = 27
    RETURNED = 28
    SELLABLE_ACCESSIBLE = 29
    SELLABLE_NOT_ACCESSIBLE = 30
    STOLEN = 31
    UNAVAILABLE = 32
    UNKNOWN = 33


OUTBOUND: Final = frozenset({Step.SHIPPING, Step.DEPARTING, Step.CONSIGNING})
INBOUND: Final = frozenset({Step.RECEIVING, Step.ACCEPTING})
MAKING: Final = frozenset({Step.NONE, Step.COMMISSIONING, Step.CREATING_CLASS_INSTANCE})
ENDING: Final = frozenset({Step.DESTROYING, Step.DECOMMISSIONING, Step.RETAIL_SELLING, Step.DISPENSING})
RESERVATIONS: Final = frozenset(
    {
        Disposition.DAMAGED,
        Disposition.MISMATCH_CLASS,
        Disposition.MISMATCH_INSTANCE,
        Disposition.MISMATCH_QUANTITY,
        Disposition.NON_CONFORMANT,
    }
)

TRANSACTION_TYPES: Final = (
    "bol", "cert", "desadv", "inv", "pedigree", "po", "poc", "prodorder", "recadv", "rma", "testprd", "testres", "upevt",
)  # fmt: skip
PARTY_TYPES: Final = ("location", "owning_party", "possessing_party")
# Types of our own, in the extension namespace: documents whose bare number is enough.
OWN_TRANSACTION_TYPES: Final = ("mrn", "ucr", "bol", "seal")

EXTENSION_NAMESPACE: Final = "https://custody-ledger.org/ns/"
EPCIS_NAMESPACE: Final = "https://ref.gs1.org/epcis/"
CBV_NAMESPACE: Final = "https://ref.gs1.org/cbv/"
MASTER_DATA_NAMESPACE: Final = "urn:epcglobal:cbv:mda:"
CBV_FORMER_NAMESPACE: Final = "https://ns.gs1.org/cbv/"


def _spellings(words: Mapping[str, int], urn: str, web: str) -> dict[str, int]:
    table = {}
    for word, code in words.items():
        table[word] = code
        table[f"urn:epcglobal:cbv:{urn}:{word}"] = code
        table[f"{CBV_NAMESPACE}{web}-{word}"] = code
        table[f"{CBV_FORMER_NAMESPACE}{web}-{word}"] = code
    return table


def words_of(words: type[IntEnum]) -> dict[str, int]:
    """The bare words of a table, each with its code."""
    fold = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
    return {word.name.translate(fold): word.value for word in words if word.value}


STEPS: Final[Mapping[str, int]] = _spellings(words_of(Step), "bizstep", "BizStep")
DISPOSITIONS: Final[Mapping[str, int]] = _spellings(words_of(Disposition), "disp", "Disp")


def _names(words: tuple[str, ...], urn: str, web: str) -> dict[str, str]:
    codes = _spellings({word: position for position, word in enumerate(words)}, urn, web)
    return {spelling: words[code] for spelling, code in codes.items()}


TRANSACTION_TYPE_NAMES: Final[Mapping[str, str]] = _names(TRANSACTION_TYPES, "btt", "BTT") | {
    EXTENSION_NAMESPACE + word: word for word in OWN_TRANSACTION_TYPES
}
PARTY_TYPE_NAMES: Final[Mapping[str, str]] = _names(PARTY_TYPES, "sdt", "SDT")

# Terms of the EPCIS 2.0 JSON-LD context that an author's context may not define, beside the words above: those of the
# document and event levels and those inside the objects the extractor reads. Sensor terms are never read.
RESERVED_TERMS: Final = frozenset(
    {
        "id", "type", "baseURL", "ObjectEvent", "AggregationEvent", "TransformationEvent", "AssociationEvent",
        "TransactionEvent", "Collection", "member", "eventTime", "recordTime", "eventTimeZoneOffset", "action",
        "certificationInfo", "bizStep", "disposition", "bizLocation", "readPoint", "transformationID", "epcList",
        "sourceList", "destinationList", "persistentDisposition", "quantity", "epcClass", "uom", "quantityList",
        "bizTransactionList", "parentID", "childEPCs", "childQuantityList", "inputEPCList", "outputEPCList",
        "inputQuantityList", "outputQuantityList", "sensorElementList", "errorDeclaration", "eventID", "creationDate",
        "sender", "receiver", "instanceIdentifier", "schemaVersion", "ilmd", "EPCISDocument", "EPCISQueryDocument",
        "epcisHeader", "masterData", "vocabularyList", "epcisBody", "queryResults", "subscriptionID", "queryName",
        "resultsBody", "eventList", "children", "bizTransaction", "source", "destination", "reason",
        "correctiveEventIDs", "declarationTime", "set", "unset", "did_not_occur", "incorrect_data",
    }
    | words_of(Step).keys() | words_of(Disposition).keys() | set(TRANSACTION_TYPES) | set(PARTY_TYPES)
)  # fmt: skip
