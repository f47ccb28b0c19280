"""`custody verify`: what an officer runs. It must start in a blink and needs no network (DESIGN §7).

Its command line is read by argparse: typer and what it stands on take longer to load than a bundle takes to verify.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from client.cli.main import CANNOT_READ, USAGE, Stop
from client.cli.output import data, is_colourful, json_data, note
from client.verify import Verified, age_ms, presented_from, verify_file
from ledger.base.errors import Code, CustodyError

_EXIT_CODES = """\
exit codes, the first that holds:
  2 usage   5 cannot read   1 NOT PROVEN   7 CONTRADICTED   6 HELD   3 STALE   4 CONSISTENT WITH GAPS   0 CONSISTENT"""


def app(words: Sequence[str], prog_name: str) -> None:
    """Check a bundle against a trust anchor, offline, and say what it is worth; leaves with the verdict's exit code."""
    options = _parser(prog_name).parse_args(words)
    try:
        seen = presented_from(
            by=options.presented_by,
            at=options.place,
            container_number=options.container,
            seal=options.seal,
            count=options.count,
        )
        accepted_ms = age_ms(options.max_age)
        trusted = options.anchor or _configured_anchor()
    except CustodyError as error:
        raise Stop(USAGE, str(error)) from None
    now_ms = time.time_ns() // 1_000_000
    try:
        verified = verify_file(options.file, trusted, now_ms=now_ms, max_age_ms=accepted_ms, presented=seen)
    except CustodyError as error:
        raise Stop(USAGE if error.code == Code.USAGE else CANNOT_READ, str(error)) from None
    _show(verified, html=options.html, as_json=options.json, brief=options.brief)
    sys.exit(verified.verdict.exit_code)


def _parser(prog_name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog_name,
        description="Check a file of proof against a trust anchor, offline. The first line is the verdict.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file that is to prove something")
    parser.add_argument("--anchor", type=Path, help="what is trusted: a genesis, an anchor file or folder")
    parser.add_argument(
        "--max-age", default="24h", metavar="AGE", help="how old the proof may be: 90min, 24h, 7d (24h)"
    )
    parser.add_argument(
        "--html", type=Path, metavar="PAGE", help="also write one printable page to this file"
    )
    parser.add_argument("--json", action="store_true", help="say it in JSON, for programs")
    parser.add_argument("--brief", action="store_true", help="only the first line")
    seen = parser.add_argument_group(
        "what is seen", "each is compared with the record: agrees, differs or not checked"
    )
    seen.add_argument("--presented-by", metavar="MEMBER", help="the member that presents the goods")
    seen.add_argument("--place", help="where they are: GLN or URI")
    seen.add_argument("--container", help="the container or unit they are in")
    seen.add_argument("--seal", help="the seal on it")
    seen.add_argument("--count", type=_whole, metavar="N", help="how many things are directly inside")
    return parser


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text[:32]!a}")
    return int(text)


def _configured_anchor() -> Path:
    from client.settings import load_settings, missing

    found = load_settings().anchor
    if found is None:
        raise missing("anchor", "--anchor")
    return found


def _show(verified: Verified, *, html: Path | None, as_json: bool, brief: bool) -> None:
    from client.report import as_page, as_text, warnings

    if html is not None:
        from client.files import write_over

        write_over(html, as_page(verified).encode())
        note(f"wrote {html}")
    if as_json:
        shown = verified.verdict.to_json()
        shown |= {"file": str(verified.file), "sha256": verified.sha256, "warnings": list(warnings(verified))}
        json_data(shown)
    elif brief:
        data(verified.verdict.headline)
    else:
        data(as_text(verified, colour=is_colourful(sys.stdout)))
