"""Files verified offline, what the officer sees, and the page that is filed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from client.report import as_page, as_text
from client.verify import Verified, age_ms, presented_from, verify_file
from ledger.base.errors import Code, CustodyError, FormError, StorageError
from ledger.proof.presented import Presented
from ledger.proof.verdict import Word
from tests.client.ledger_files import CONTAINER, DECLARATION, ITEM, Ledger, write_files
from tests.world.world import World

HOUR_MS = 3_600_000


def verified(files: tuple[Path, Path], ledger: Ledger, hours: int = 1, **seen: str) -> Verified:
    presented = presented_from(**seen) if seen else None  # type: ignore[arg-type]
    return verify_file(*files, now_ms=ledger.world.now_ms + hours * HOUR_MS, presented=presented)


def test_a_shipment_under_way_is_proven(files: tuple[Path, Path], ledger: Ledger) -> None:
    found = verified(files, ledger)
    assert found.verdict.status in (Word.CONSISTENT, Word.CONSISTENT_WITH_GAPS)
    assert found.verdict.headline.endswith("physical match not checked.")
    assert found.size == files[0].stat().st_size
    assert {check.state for check in found.verdict.checks} == {"ok", "not checked"}


def test_the_page_of_a_held_container_says_so(tmp_path: Path, held: Ledger) -> None:
    found = verified(write_files(tmp_path, held, CONTAINER), held)
    assert (found.verdict.status, found.verdict.exit_code) == (Word.HELD, 6)
    page = as_page(found)
    assert "HELD" in page
    assert "2023/0815" in page


def test_an_old_file_is_stale_by_the_age_accepted(files: tuple[Path, Path], ledger: Ledger) -> None:
    assert verified(files, ledger, hours=25).verdict.exit_code == 3
    assert verified(files, ledger, hours=23).verdict.exit_code != 3


def test_what_is_seen_agrees_or_contradicts(files: tuple[Path, Path], ledger: Ledger) -> None:
    seen = {"by": "carrier", "seal": "nl-4712", "container_number": "CSQU 305438-3"}
    found = verified(files, ledger, 1, **seen)
    assert found.presented == Presented(by="carrier", container=CONTAINER, seal="NL-4712")
    assert found.verdict.exit_code in (0, 4)
    other = verified(files, ledger, 1, **(seen | {"seal": "NL-9999"}))
    assert other.verdict.exit_code == 7
    assert "DIFFERS" in as_text(other)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ({"container_number": "CSQU3054384"}, "check digit 3"),
        ({"seal": "no seal!"}, "seal number"),
        ({"at": "9521200000017"}, "GLN of 13 digits"),
        ({"by": "two words"}, "member's id"),
    ],
)
def test_what_cannot_be_read_of_the_goods_is_a_question_of_usage(seen: dict[str, str], sentence: str) -> None:
    with pytest.raises(FormError, match=sentence) as raised:
        presented_from(**seen)  # type: ignore[arg-type]
    assert raised.value.code is Code.USAGE


def test_ages_are_read_in_the_words_people_use() -> None:
    assert [age_ms(text) for text in ("30s", "90min", "90m", "24h", "7d", " 1 h ")] == [
        30_000, 5_400_000, 5_400_000, 86_400_000, 604_800_000, 3_600_000,
    ]  # fmt: skip
    for text in ("", "24", "h", "-1h", "1.5h", "1w", "١h", "1234567d"):
        with pytest.raises(FormError, match="expected an age"):
            age_ms(text)


def test_bytes_that_are_no_bundle_are_a_verdict_and_absence_is_none(
    files: tuple[Path, Path], ledger: Ledger
) -> None:
    bundle, genesis = files
    whole = bundle.read_bytes()
    for content in (b"", b"garbage", whole[:-1], whole + b"\0", genesis.read_bytes()):
        bundle.write_bytes(content)
        found = verified(files, ledger)
        assert found.verdict.status is Word.NOT_PROVEN
        assert found.verdict.exit_code == 5
        assert "NOT PROVEN" in as_page(found)
    bundle.unlink()
    with pytest.raises(StorageError, match="expected to read"):
        verified(files, ledger)


def test_another_network_proves_nothing(files: tuple[Path, Path], ledger: Ledger) -> None:
    files[1].write_bytes(World(name="other").genesis.to_bytes())
    found = verified(files, ledger)
    assert found.verdict.exit_code == 1
    files[1].write_bytes(b"\xc0")
    with pytest.raises(CustodyError, match="genesis"):
        verified(files, ledger)


# --- the page


class Outline(HTMLParser):
    """What a reader of a page meets."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def outline(page: str) -> Outline:
    read = Outline()
    read.feed(page)
    assert read.open == []
    return read


def test_the_page_stands_alone_and_is_well_formed(document_files: tuple[Path, Path], ledger: Ledger) -> None:
    page = as_page(verified(document_files, ledger))
    read = outline(page)
    names = {tag for tag, _ in read.tags}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "audio", "video"})
    for _, attributes in read.tags:
        assert not {"src", "href", "style", "onload", "srcset"} & attributes.keys()
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_is_accessible(document_files: tuple[Path, Path], ledger: Ledger) -> None:
    read = outline(as_page(verified(document_files, ledger)))
    first = dict(read.tags)
    assert first["html"]["lang"] == "en"
    assert [tag for tag, _ in read.tags].count("h1") == 1
    assert [tag for tag, _ in read.tags].count("title") == 1
    assert [tag for tag, _ in read.tags].count("caption") == [tag for tag, _ in read.tags].count("table")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in read.tags if tag == "th")
    # A result is a word, never a colour alone.
    assert "in order" in read.text


def test_the_page_says_everything_the_verdict_says(document_files: tuple[Path, Path], ledger: Ledger) -> None:
    found = verified(document_files, ledger, by="carrier", seal="NL-4712")
    text = re.sub(r"\s+", " ", outline(as_page(found)).text)
    for subject in found.verdict.subjects:
        for check in subject.checks:
            said = check.sentence.removeprefix(f"{check.name}: ").removeprefix(f"{check.name} ")
            assert re.sub(r"\s+", " ", said) in text
        for line in subject.timeline:
            assert line.partition("  ")[2].partition(" [")[0] in text
    for expected in (found.sha256, found.trusted.anchor.network.hex(), "ucr 4NL123456789-A7", "copied label"):
        assert expected in text


def test_nothing_in_a_record_can_write_html(tmp_path: Path, ledger: Ledger) -> None:
    found = verified(write_files(tmp_path, ledger, ITEM, DECLARATION), ledger)
    subject = found.verdict.subjects[0]
    hostile = '<script>alert("1")</script>&'
    check = subject.checks[0]._replace(sentence=hostile, name=hostile)
    changed = subject._replace(
        checks=(check,), timeline=(f"2023  {hostile}",), identifier=hostile, headline=hostile
    )
    verdict = found.verdict._replace(headline=hostile, subjects=(changed,), checks=(check,))
    page = as_page(found._replace(verdict=verdict, file=Path(hostile)))
    assert "<script" not in page
    assert outline(page).text.count('alert("1")') >= 6


def test_evidence_of_a_fork_is_said_beside_every_verdict(files: tuple[Path, Path], ledger: Ledger) -> None:
    found = verified(files, ledger)
    warned = found._replace(trusted=found.trusted._replace(evidence=(Path("anchor/evidence/7.custody"),)))
    assert "WARNING" in as_text(warned)
    assert 'role="alert"' in as_page(warned)
    assert "WARNING" not in as_text(found)
