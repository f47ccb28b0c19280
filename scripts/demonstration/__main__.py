"""`./scripts/demo`: the main job on real input, from the factory to the border, with a real network and real forgeries."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

from demonstration import cast, consortium, documents
from demonstration.attacks import Attempt, Loot, attempts, equivocation, play_false_events
from demonstration.border import Checked, check
from demonstration.foreign import foreign_bundle
from demonstration.network import NetworkStage
from demonstration.story import differs, scenes, shipment
from demonstration.telling import Teller
from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError
from ledger.chain.evidence import check_evidence
from ledger.proof.anchor import anchor_from_genesis
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome

OUTPUT: Final = Path("demo-output")
_EXPECTED_AT_BORDER: Final = {"item": (4,), "case": (6,), "container": (4,), "declaration": (0, 4)}


def main() -> int:
    """Play it; 0 if everything came out as told."""
    parser = argparse.ArgumentParser(
        prog="./scripts/demo", description="From the factory to the border, on this machine."
    )
    parser.add_argument(
        "--json", action="store_true", help="one object with every figure and attempt, nothing else"
    )
    parser.add_argument(
        "--input", nargs="+", type=Path, metavar="FILE", help="your own EPCIS 2.0 documents instead"
    )
    parser.add_argument(
        "--as", dest="organisation", choices=cast.ORGANISATIONS, help="who signs your documents"
    )
    parser.add_argument(
        "--chapter",
        choices=("shipment", "consortium"),
        default="shipment",
        help="which story; the first without it",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"where files are left ({OUTPUT})")
    options = parser.parse_args()
    teller = Teller(as_json=options.json)
    shutil.rmtree(options.output, ignore_errors=True)
    options.output.mkdir(parents=True)
    try:
        if options.input:
            good = _documents(teller, options.output, options.input, options.organisation)
        elif options.chapter == "consortium":
            good = consortium.play(teller, options.output)
        else:
            good = _story(teller, options.output)
    except CustodyError as error:
        teller.found["error"] = str(error)
        sys.stderr.write(f"demo: {error}\n")
        good = False
    teller.found["verdict"] = "as told" if good else "NOT as told"
    teller.end()
    return 0 if good else 1


# --- the story


def _story(teller: Teller, output: Path) -> bool:
    started = time.monotonic()
    goods = shipment()
    teller.title("A network of four")
    with NetworkStage(output / "network") as stage:
        ready = time.monotonic() - started
        teller.say(f"{stage.process_count} processes ready after {ready:.1f} s: a validator and a gateway for each of "
                   f"{', '.join(cast.ORGANISATIONS)}; TLS 1.3 between them")  # fmt: skip
        good, early = _play(teller, stage)
        made = _prove(teller, stage, output)
        false = play_false_events(stage)
        loot = Loot(
            anchor=anchor_from_genesis(stage.genesis),
            early=early,
            item=made["item"],
            container=made["container"],
            repacked=stage.bundle([cast.item(301)]),
            offered=stage.bundle([false.offered]),
            contested=stage.bundle([false.contested]),
            misstated=stage.bundle([false.misstated]),
            misstated_payload=false.payload,
            foreign=foreign_bundle(
                stage.genesis,
                [stage.key(who, "validator-0") for who in cast.ORGANISATIONS],
                stage.key(cast.MANUFACTURER, "sign"),
                goods.witness,
            ),
            proposer=_proposer(stage),
            receiver_key=stage.key(cast.FORWARDER, "sign").public_key,
        )
        anchor = output / "genesis.custody"
        anchor.write_bytes(stage.genesis.to_bytes())
    teller.title("The network is stopped")
    good &= _border(teller, output, anchor)
    good &= _attacks(teller, output, anchor, loot)
    teller.found["figures"]["seconds"] = round(time.monotonic() - started, 1)
    teller.say(f"[bold]{'Everything came out as told' if good else 'NOT everything came out as told'}[/] after "
               f"{time.monotonic() - started:.0f} s. Files: {output}/")  # fmt: skip
    return good


def _play(teller: Teller, stage: NetworkStage) -> tuple[bool, bytes]:
    teller.title(f"{cast.ITEMS:,} items, one container, three handovers")
    good, early, told = True, b"", []
    events = 0
    for scene in scenes():
        if scene.title == "Detained":
            early = stage.bundle([shipment().container])
        begun = time.monotonic()
        played = scene.play(stage)
        took_ms = round((time.monotonic() - begun) * 1_000)
        events += len(played)
        wrong = differs(scene, played)
        good &= wrong is None
        outcome = wrong or Outcome(played[0].outcomes[0] % BOUND_TOO).name.lower().replace("_", " ")
        teller.line(scene.organisation, f"{scene.title}: {scene.told}", f"{outcome}, final in {took_ms} ms")
        told.append({"scene": scene.title, "by": scene.organisation, "outcome": outcome, "final_ms": took_ms})
    teller.found["story"] = told
    teller.found["figures"] = {"events": events, "items": cast.ITEMS}
    return good, early


def _prove(teller: Teller, stage: NetworkStage, output: Path) -> dict[str, bytes]:
    goods = shipment()
    teller.title("One file each, for the border")
    asked = {
        "item": [goods.witness],
        "case": [goods.held_case],
        "container": [goods.container],
        "declaration": [goods.declaration, goods.container],
    }
    made, rows = {}, []
    for name, subjects in asked.items():
        begun = time.monotonic()
        made[name] = stage.bundle(subjects)
        took_ms = (time.monotonic() - begun) * 1_000
        path = output / f"{name}.custody"
        path.write_bytes(made[name])
        rows.append((name, subjects[0].text, f"{len(made[name]):,} B", f"{took_ms:.0f} ms"))
        teller.found["figures"][f"{name}_bundle_bytes"] = len(made[name])
    teller.table(("bundle", "subject", "size", "made in"), rows)
    return made


def _proposer(stage: NetworkStage) -> tuple[int, Any]:
    anchor = anchor_from_genesis(stage.genesis)
    key = stage.key(cast.CARRIER, "validator-0")
    index = anchor.validators.index_of(key.public_key)
    return (index if index is not None else 0, key)


def _border(teller: Teller, output: Path, anchor: Path) -> bool:
    seen = {
        "item": ("--container", cast.CONTAINER, "--seal", cast.CUSTOMS_SEAL),
        "case": ("--count", str(cast.ITEMS_PER_CASE - len(shipment().missing))),
        "container": ("--seal", cast.CUSTOMS_SEAL, "--count", "1", "--presented-by", cast.FORWARDER),
        "declaration": (),
    }
    good, found = True, {}
    for name, arguments in seen.items():
        page = output / f"{name}.html"
        checked = check(anchor, output / f"{name}.custody", arguments, html=page)
        good &= checked.exit_code in _EXPECTED_AT_BORDER[name]
        teller.verdict(checked.headline, checked.exit_code)
        found[name] = {
            "exit_code": checked.exit_code, "headline": checked.headline, "check": checked.command, "page": str(page),
        }  # fmt: skip
    teller.say(f"Printable pages: {output}/*.html. Again: [bold].venv/bin/custody verify {output}/item.custody"
               f" --anchor {anchor}[/]")  # fmt: skip
    teller.found["border"] = found
    return good


# --- attacks


def _attacks(teller: Teller, output: Path, anchor: Path, loot: Loot) -> bool:
    folder = output / "attempts"
    folder.mkdir()
    tried = attempts(loot)
    teller.title(f"{len(tried)} forgeries")
    good, found = True, []
    for attempt in tried:
        path = folder / f"{attempt.name}.custody"
        path.write_bytes(attempt.data)
        checked = check(anchor, path, attempt.arguments)
        caught = checked.exit_code in attempt.codes
        good &= caught
        teller.line(
            "attacker", attempt.told, f"{'caught' if caught else 'NOT CAUGHT'} (exit {checked.exit_code})"
        )
        teller.say(f"[dim]              {_reason(checked)}[/]")
        found.append(_attempt_json(attempt, checked, path, caught=caught))
    good &= _accuse(teller, output, loot)
    teller.found["attempts"] = found
    return good


def _reason(checked: Checked) -> str:
    text = checked.caught_by or checked.headline
    return text if len(text) < 150 else f"{text[:147]}..."


def _attempt_json(attempt: Attempt, checked: Checked, path: Path, *, caught: bool) -> dict[str, Any]:
    return {
        "name": attempt.name,
        "told": attempt.told,
        "caught": caught,
        "by": _reason(checked),
        "file": str(path),
        "exit_code": checked.exit_code,
        "expected": list(attempt.codes),
        "check": checked.command,
    }


def _accuse(teller: Teller, output: Path, loot: Loot) -> bool:
    """The two signatures of the validator that signed two blocks name it to anybody."""
    evidence = equivocation(loot)
    (output / "attempts" / "two-blocks.evidence").write_bytes(encode(evidence))
    check_evidence(loot.anchor.validators, evidence)
    culprit = loot.anchor.validators[evidence.signer].organisation
    teller.say(
        f"Evidence of the second block names [bold]{culprit}[/], checkable by anyone who has the genesis."
    )
    teller.found["culprit"] = culprit
    return culprit == cast.CARRIER


# --- your own documents


def _documents(teller: Teller, output: Path, paths: list[Path], organisation: str | None) -> bool:
    files = [
        found for path in paths for found in (sorted(path.rglob("*.json*")) if path.is_dir() else [path])
    ]
    given = documents.read(files)
    count = sum(one.number > 0 for one in given)
    if not count:
        reasons = "; ".join(f"{one.path}: {one.refusal}" for one in given) or "nothing in them"
        raise FormError(
            Code.MALFORMED, f"expected EPCIS 2.0 events in the files given, found none: {reasons}"
        )
    teller.title(f"{_number_of(count, 'event')} of {_number_of(len(files), 'file')}, on a fresh network of "
                 "SIMULATED parties")  # fmt: skip
    counted: dict[str, int] = {}
    events, verdicts = [], []
    with NetworkStage(output / "network", parties=documents.parties(given)) as stage:
        for judged in documents.play(stage, given, organisation):
            counted[judged.word] = counted.get(judged.word, 0) + 1
            where = judged.given.path.name + (f" #{judged.given.number}" if judged.given.number else "")
            teller.line(judged.organisation, where, f"{judged.word}: {judged.why}")
            events.append({"file": str(judged.given.path), "event": judged.given.number, "by": judged.organisation,
                           "result": judged.word, "why": judged.why})  # fmt: skip
        teller.title("Every subject in them")
        anchor = anchor_from_genesis(stage.genesis)
        (output / "genesis.custody").write_bytes(stage.genesis.to_bytes())
        for number, subject in enumerate(documents.subjects(given), 1):
            data, verdict = documents.prove(stage, anchor, subject)
            path = output / f"subject-{number:03d}.custody"
            path.write_bytes(data)
            teller.verdict(verdict.headline, verdict.exit_code)
            verdicts.append({"subject": subject.text, "file": str(path), **_short(verdict.to_json())})
    teller.say(", ".join(f"{number} {word}" for word, number in sorted(counted.items()))
               + f". Files: {output}/")  # fmt: skip
    teller.found |= {"events": events, "subjects": verdicts, "counted": counted}
    return all(one["exit_code"] != 1 for one in verdicts)


def _number_of(number: int, noun: str) -> str:
    """A number of things, as 1 event or 2 events."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _short(verdict: dict[str, Any]) -> dict[str, Any]:
    return {name: verdict[name] for name in ("verdict", "exit_code", "headline")}


if __name__ == "__main__":
    sys.exit(main())
