"""Identifiers in many spellings and the canonical form of each (EXTRACT.md §2).

Keys are GS1's own published examples (prefixes 0614141, 4012345, 952...) or made up under the demonstration prefix 952.
"""

from __future__ import annotations

from typing import Any

from ledger.base.errors import CustodyError
from ledger.trade.identifiers import bill_of_lading, canonical, container, declaration, reference, seal

SPELLINGS = (
    # one serial
    "urn:epc:id:sgtin:0614141.107346.2017",
    "URN:EPC:ID:SGTIN:0614141.107346.2017",
    "urn:epc:id:sgtin:0614141.107346.201%37",
    "https://id.gs1.org/01/10614141073464/21/2017",
    "http://example.com/some/path/01/10614141073464/21/2017",
    "https://shop.example:8443/gtin/10614141073464/ser/2017",
    "https://id.gs1.org/01/10614141073464/22/2A/10/LOT7/21/2017?17=271231&linkType=gs1:pip",
    "https://id.gs1.org/01/10614141073464/21/2017/10/LOT7",
    "https://id.gs1.org/01/10614141073464/21/2017?10=LOT7#top",
    "https://id.gs1.org/%30%31/10614141073464/21/20%317/",
    # serials with every kind of character
    "urn:epc:id:sgtin:0614141.812345.6789%2F%26%25%22!%3F()",
    "https://id.gs1.org/01/80614141123458/21/6789%2f%26%25%22%21%3f%28%29",
    "urn:epc:id:sgtin:0614141.107346.a.b-c_d",
    "https://example.com/01/10614141073464/21/21",
    "https://example.com/01/10614141073464/10/414/21/00",
    # class and lot
    "https://id.gs1.org/01/09780345418913",
    "https://id.gs1.org/gtin/9780345418913",
    "https://id.gs1.org/01/614141073467",
    "urn:epc:idpat:sgtin:0614141.107346.*",
    "urn:epc:class:lgtin:4012345.012345.998877",
    "https://id.gs1.org/01/04012345123456/10/998877",
    "https://id.gs1.org/01/04012345123456/22/2A",
    # the other keys
    "urn:epc:id:sscc:0614141.1234567890",
    "https://id.gs1.org/00/106141412345678908",
    "urn:epc:id:sgln:0614141.07346.1234",
    "urn:epc:id:sgln:0614141.07346.0",
    "https://id.gs1.org/414/0614141073467/254/0",
    "https://id.gs1.org/gln/0614141073467/glnx/1234",
    "urn:epc:id:pgln:999999999999.",
    "https://id.gs1.org/party/9999999999994",
    "urn:epc:id:grai:4012345.55555.987",
    "https://id.gs1.org/8003/04012345555554987",
    "urn:epc:idpat:grai:4012345.66666.*",
    "urn:epc:id:giai:4000001.12345",
    "https://id.gs1.org/giai/400000112345",
    "urn:epc:id:gsrn:4012345.9876540000",
    "urn:epc:id:gsrnp:4012345.0000098765",
    "https://id.gs1.org/8018/401234598765400000/8019/12",
    "urn:epc:id:gdti:0614141.00001.1618034",
    "urn:epc:id:gdti:987659999999..9",
    "urn:epc:idpat:gdti:4012345.55555.*",
    "urn:epc:id:cpi:0614141.11111111111111-A%23%2F.1234",
    "urn:epc:idpat:cpi:4012345.ABC.*",
    "https://id.gs1.org/8010/4012345ABC/8011/0123",
    "urn:epc:id:sgcn:4012345.99999.44",
    "urn:epc:id:ginc:0614141.xyz47%2F11",
    "urn:epc:id:gsin:4012345.222333444",
    "urn:epc:id:itip:4012345.011111.01.02.987",
    "urn:epc:id:itip:4012345.011111.03.02.987",
    "urn:epc:idpat:itip:4012345.012345.01.02.*",
    "urn:epc:id:upui:1234567.098765.51qIgY)%3C%26Jp3*j7'SDB",
    "https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2K",
    "https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2L",
    "https://id.gs1.org/415/0614141073467/8020/INV-7",
    # patterns
    "urn:epc:idpat:sgtin:0614141.*.*",
    "urn:epc:idpat:sgtin:0614141.107346.[10-20]",
    "urn:epc:idpat:sgln:0614141.07346.*",
    "urn:epc:idpat:sgtin:0614141.107346.2017",
    "urn:epc:idpat:sgtin:*.107346.2017",
    # schemes without a Digital Link
    "urn:epc:id:gid:95100000.12345.400",
    "urn:epc:id:usdod:2S194.12345678901",
    "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
    "urn:epc:id:adi:7VA7Z..%23VL8M3",
    "urn:epc:id:bic:CSQU3054383",
    "urn:epc:id:bic:CSQU3054384",
    "urn:epc:id:imovn:9176187",
    "urn:epc:id:imovn:9176188",
    # documents and seals
    "urn:custody:doc:mrn:06DE586600006143E1",
    "urn:custody:doc:mrn:10nl5663962be1e825",
    "urn:custody:doc:mrn:10NL5663962BE1E826",
    "urn:custody:doc:mrn:24US1234567890ABCD",
    "urn:custody:doc:ucr:6GB123456789000-INV77",
    "urn:custody:doc:bol:MAEU:123456789",
    "urn:custody:doc:bol:0614141073467:1152",
    "urn:custody:seal:hlg 7788991",
    "urn:epcglobal:cbv:bt:0614141073467:1152",
    "urn:epcglobal:cbv:bt:0614141073467:A%2fB%41",
    "urn:epcglobal:cbv:bt:0614141073468:1152",
    # claims that do not hold
    "urn:epc:id:sgtin:0614141.10734.2017",
    "urn:epc:id:sgtin:06141.10734601.2017",
    "urn:epc:id:sgtin:0614141.107346.",
    "urn:epc:id:sgtin:0614141.107346.%",
    "urn:epc:id:sgtin:0614141.107346.two words",
    "urn:epc:class:lgtin:6000001.recycled-aluminum.batch-2032-03",
    "urn:epc:tag:sgtin-96:3.0614141.107346.2017",
    "urn:epc:id:consumer",
    "https://id.gs1.org/01/10614141073465/21/2017",
    "https://example.com/01/10614141073465/21/2017",
    "https://id.gs1.org/01/10614141073464?21=2017",
    "https://id.gs1.org/01/10614141073464/21/2017/21/2018",
    "https://id.gs1.org/01/10614141073464/254/2017",
    "https://id.gs1.org/01/10614141073464/21/",
    "https://id.gs1.org/ARHKVAdpQg",
    "urn:custody:unheard:of",
    # anything else
    "urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
    "HTTP://Transaction.Example.COM/po/12345678",
    "geo:42.698334,23.319941",
    "https://example.com/a b",
    "https://example.com/caf\u00e9",
    "no address",
    "mailto:someone@example.com",
    "https://example.com/" + "x" * 300,
)
NUMBERS = (
    (container, ("CSQU 305438-3",)),
    (container, ("csqu3054383",)),
    (container, ("CSQU3054384",)),
    (container, ("CSQX3054383",)),
    (declaration, ("06 DE 5866 0000 6143 E1",)),
    (declaration, ("06DE586600006143E2",)),
    (reference, ("6GB123456789000-INV77",)),
    (reference, ("GB123456789000-INV77",)),
    (bill_of_lading, ("MAEU", "123456789")),
    (bill_of_lading, ("MAERSK", "123456789")),
    (seal, ("HLG 7788991",)),
    (seal, ("HLG#7788991",)),
)


def generate() -> Any:
    """Each spelling with its identifier, each number with its identifier or error code."""
    spellings = [_shown(uri) | {"uri": uri} for uri in SPELLINGS]
    numbers = []
    for function, texts in NUMBERS:
        made = {"function": function.__name__, "texts": list(texts)}
        try:
            identifier = function(*texts)
            numbers.append(made | {"text": identifier.text, "issuer": identifier.issuer})
        except CustodyError as error:
            numbers.append(made | {"error": error.code.value})
    return {"spellings": spellings, "numbers": numbers}


def _shown(uri: str) -> dict[str, str]:
    identifier = canonical(uri)
    return {
        "uri": uri,
        "text": identifier.text,
        "kind": identifier.kind.value,
        "digits": identifier.digits,
        "issuer": identifier.issuer,
    }
