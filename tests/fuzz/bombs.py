"""Inputs that are small or legal in size and cost much if anything about them is believed before it is checked.

Each is as large as its decoder takes. They are tried in a process whose memory and processor time are bounded, so that one
that gets out of hand ends that process and nothing else: `python -m tests.fuzz.bombs DECODER ...` ends with 0 and a line of
JSON for each decoder, or is killed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from tests.epcis.xml_samples import FULL
from tests.fuzz.checking import Finding, check
from tests.fuzz.decoders import BY_NAME, Decoder

MEMORY_BYTES: Final = 4_000_000_000
"""Of address space. 16 MB of the densest value there is, arrays of one in arrays of one, takes about 1 GB."""
CPU_SECONDS: Final = 120
"""Of each decoder, for all its bombs."""
_DEPTHS: Final = (100, 1_000, 100_000)


def bombs(form: str, most: int) -> Iterator[tuple[str, bytes]]:
    """(name, input) of every bomb of that form."""
    yield from _BY_FORM[form](most)


def _msgpack(most: int) -> Iterator[tuple[str, bytes]]:
    huge = b"\xff\xff\xff\xff"
    for name, head in (
        ("array", b"\xdd"),
        ("map", b"\xdf"),
        ("bin", b"\xc6"),
        ("str", b"\xdb"),
        ("ext", b"\xc9"),
    ):
        yield f"huge {name}", head + huge
        yield f"{name} as long as allowed", head + most.to_bytes(4, "big") + bytes(min(most, 100_000))
        claimed = max(1, most // 10)
        for depth in (*_DEPTHS, most // 5):
            nested = (head + claimed.to_bytes(4, "big")) * min(depth, most // 5)
            yield f"{depth} nested {name}s, each claiming {claimed}", nested.ljust(most, b"\0")[:most]
    for name, unit in (("ones in one", b"\x91"), ("pairs", b"\x92\x00"), ("maps", b"\x81\x00"), ("ints", b"\x01"),
                       ("doubles", b"\xcb" + bytes(8)), ("ints of 9 bytes", b"\xcf" + b"\xff" * 8), ("texts", b"\xa1x"),
                       ("empty arrays", b"\x90"), ("thirteen deep", b"\x91" * 13 + b"\x00"), ("bytes", b"\xc4\x03abc")):  # fmt: skip
        count = max(1, (most - 5) // len(unit))
        yield f"only {name}", (unit * count)[:most]
        yield f"an array of {name}", b"\xdd" + count.to_bytes(4, "big") + unit * count
        yield (
            f"three arrays of {name}",
            b"\x93" + (b"\xdd" + (count // 3).to_bytes(4, "big") + unit * (count // 3)) * 3,
        )


def _json(most: int) -> Iterator[tuple[str, bytes]]:
    for depth in (*_DEPTHS, most):
        size = min(depth, most // 5)
        yield f"{depth} arrays", b"[" * size
        yield f"{depth} objects", b'{"a":' * size
        yield f"{depth} closed", b"[" * (size // 2) + b"]" * (size // 2)
    yield "digits", b"9" * most
    yield "a value of digits", b'{"a":' + b"9" * (most - 10) + b"}"
    yield "an exponent", b'{"a":1e' + b"9" * (most - 10) + b"}"
    yield "a fraction", b'{"a":0.' + b"0" * (most - 10) + b"}"
    yield "spaces", b" " * most
    yield "spaces after each comma", b"[" + (b"1" + b" " * 50 + b",") * (most // 60)
    yield "quotes", b'"' * most
    yield "an open string", b'"' + b"a" * (most - 1)
    yield "backslashes", b'"' + b"\\" * (most - 1)
    yield "escapes", b'{"a":"' + b"\\u0041" * (most // 7) + b'"}'
    yield "surrogates", b'{"a":"' + b"\\ud83d" * (most // 7) + b'"}'
    yield "pairs", b'{"a":"' + b"\\ud83d\\ude00" * (most // 14) + b'"}'
    yield "members", b"{" + b",".join(b'"%d":0' % number for number in range(most // 12)) + b"}"
    yield "elements", b"[" + b"0," * (most // 3) + b"0]"
    yield "commas", b"[" + b"," * (most - 1)
    yield "colons in names", b'{"' + b"a:" * (most // 3) + b'":1}'
    yield "lines", b"data: 1\n" * (most // 10)
    yield "empty lines", b"\n" * most
    yield "carriage returns", b"\r" * most
    yield "a line without end", b"data: " + b"x" * (most - 6)
    yield "ill-formed", b"\xff" * most
    yield "zeros", bytes(most)


def _xml(most: int) -> Iterator[tuple[str, bytes]]:
    wine = b'<wine:a xmlns:wine="https://wine.example/">'
    head, tail = (
        FULL.split(b"<wine:label", 1)[0],
        b"</ObjectEvent></EventList></EPCISBody></epcis:EPCISDocument>",
    )
    room = most - len(head) - 1_000
    laughs = b"".join(b'<!ENTITY l%d "%b">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 12))
    yield "laughs", b'<!DOCTYPE a [<!ENTITY l0 "ha">' + laughs + b"]><a>&l11;</a>"
    yield (
        "one entity often",
        b'<!DOCTYPE a [<!ENTITY x "' + b"x" * (most // 2) + b'">]><a>' + b"&x;" * (most // 8) + b"</a>",
    )
    yield "an external entity", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    yield "an external subset", b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>'
    yield "a document type that does not end", b"<!DOCTYPE a [" + b"<!ELEMENT b ANY>" * (most // 16)
    for depth in (*_DEPTHS, most // 8):
        size = min(depth, room // 8)
        yield f"{depth} foreign elements", head + wine + b"<a>" * size + b"</a>" * size + b"</wine:a>" + tail
        yield f"{depth} wrappers", head + b"<extension>" * (size // 3)
    yield "siblings", head + wine + b"<a/>" * (room // 4) + b"</wine:a>" + tail
    yield (
        "siblings of different names",
        head + wine + b"".join(b"<a%d/>" % n for n in range(room // 11)) + b"</wine:a>" + tail,
    )
    names = [b"<a%d/>" % n for n in range(1_900)] * 2
    yield (
        "repeated names",
        head + wine + b"".join(names) + b"<a1899/>" * (room // 8 - 4_000) + b"</wine:a>" + tail,
    )
    yield "arrays in arrays", head + wine + b"<a><b/><b/></a>" * (room // 15) + b"</wine:a>" + tail
    yield (
        "namespaces",
        head + wine + b"".join(b'<n:a xmlns:n="u%d"/>' % n for n in range(room // 26)) + b"</wine:a>" + tail,
    )
    yield "a long namespace", b'<a xmlns="' + b"x" * (most // 2) + b'">' + b"<a/>" * (most // 8)
    yield "attributes", b"<a " + b"".join(b'a%d="" ' % n for n in range(most // 13)) + b"/>"
    yield "one attribute often", b"<a " + b'a="" ' * (most // 5) + b"/>"
    yield "a long attribute", b'<a a="' + b"x" * most + b'"/>'
    yield "a long comment", b"<!--" + b"x" * most + b"--><a/>"
    yield "an open comment", b"<!--" + b"- " * (most // 2)
    yield "comments", head + b"<!--x-->" * (room // 8)
    yield "instructions", b"<?a b?>" * (most // 7)
    yield "text", head + wine + b"x" * room + b"</wine:a>" + tail
    yield "text in pieces", head + wine + b"x<b/>" * (room // 5) + b"</wine:a>" + tail
    yield "character references", head + wine + b"&#120;" * (room // 6) + b"</wine:a>" + tail
    yield "sections", head + wine + b"<![CDATA[x]]>" * (room // 13) + b"</wine:a>" + tail
    yield "digits", head + b"<custody:count>" + b"9" * room + b"</custody:count>" + tail
    yield "JSON", head + b'<custody:a custody:kind="json">' + b"[" * room + b"</custody:a>" + tail
    yield "an open tag", b"<" + b"a" * most
    yield "open tags", b"<a" * (most // 2)
    yield "zeros", bytes(most)


def _toml(most: int) -> Iterator[tuple[str, bytes]]:
    for depth in _DEPTHS:
        size = min(depth, most // 8)
        yield f"{depth} arrays", b"a = " + b"[" * size + b"]" * size
        yield f"{depth} tables", b"a = " + b"{a = " * (size // 2) + b"1" + b"}" * (size // 2)
        yield f"{depth} dotted", b"a." * (size // 2) + b"a = 1"
        yield f"{depth} in a heading", b"[" + b"a." * (size // 2) + b"a]"
    yield "digits", b"a = " + b"9" * (most - 4)
    yield "hexadecimal digits", b"a = 0x" + b"f" * (most - 6)
    yield "a port of digits", b'organisation = "a"\n[validator]\nlisten = "a:' + b"9" * (most - 60) + b'"\n'
    yield "a string without end", b'a = "' + b"x" * (most - 5)
    yield "spaces", b" " * most
    yield "comments", b"#" * most
    yield "keys", b"".join(b"a%d = 1\n" % number for number in range(most // 12))
    yield "tables of tables", b"[[peers]]\n" * (most // 10)


def _text(most: int) -> Iterator[tuple[str, bytes]]:
    for unit in (b"a", b"%", b"%41", b":", b"/", b"/01/", b"urn:epc:id:", b".", b"(01)", b"?", b"#", b"9", b"*", b"\xff", b"\xc3\xa4",
                 b" ", b"=", b"&10=x", b"https://", b"urn:", b"@", b"\0", b"\n"):  # fmt: skip
        yield f"only {unit!a}", (unit * (most // len(unit) + 1))[:most]
        for head in (
            b"https://id.gs1.org/01/09521234000016/21/",
            b"urn:epc:id:sgtin:",
            b"urn:custody:doc:",
            b"mrn:",
            b"Bearer ",
        ):
            yield f"{head!a} and {unit!a}", (head + unit * (most // len(unit) + 1))[:most]


def _binary(most: int) -> Iterator[tuple[str, bytes]]:
    yield "zeros", bytes(most)
    yield "ones", b"\xff" * most
    yield "empty frames", b"\0\0\0\0\1" * (most // 5)


_BY_FORM: Final[dict[str, Callable[[int], Iterator[tuple[str, bytes]]]]] = {
    "msgpack": _msgpack, "json": _json, "xml": _xml, "toml": _toml, "text": _text, "binary": _binary,
}  # fmt: skip


def defuse(decoder: Decoder, most: int | None = None) -> tuple[int, list[Finding]]:
    """Try every bomb: (how many, what was found)."""
    count, findings = 0, []
    for name, data in bombs(decoder.form, decoder.most if most is None else min(most, decoder.most)):
        found = check(decoder, data)
        count += 1
        if isinstance(found, Finding):
            findings.append(found._replace(what=f"{name}: {found.what}", data=data[:200]))
    return count, findings


def main(names: list[str], most: int | None) -> int:
    """Bound this process, then try the bombs of the named decoders."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for decoder in (BY_NAME[name] for name in names or BY_NAME):
        started_s = time.process_time()
        ends_s = int(started_s) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (ends_s, resource.RLIM_INFINITY))
        count, findings = defuse(decoder, most)
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu_s = round(time.process_time() - started_s, 2)
        said = {
            "decoder": decoder.name,
            "bombs": count,
            "cpu_s": cpu_s,
            "peak_mb": peak_kb // 1024,
            "findings": [one.what for one in findings],
        }
        print(json.dumps(said), flush=True)
    return 0


if __name__ == "__main__":
    sized = sys.argv[1:2] == ["--most"]
    sys.exit(main(sys.argv[3:] if sized else sys.argv[1:], int(sys.argv[2]) if sized else None))
