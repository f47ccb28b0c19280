"""What a planted bug is, and how it gets into a copy of the sources."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One planted bug."""

    name: str
    what: str
    """What it does, and the attack or accident that it lets through; one sentence."""
    rule: str
    """The rule it breaks: CONSENSUS n, a row or point of CUSTODY_RULES, a section of PROOF or STORAGE ..."""
    file: str
    find: str
    """Stands in the file exactly once."""
    replace: str
    killer: str
    """The pytest node that is expected to fail."""


class PatchError(Exception):
    """A patch does not fit the code any more, or makes no program."""


def patched(mutant: Mutant, source: str) -> str:
    """The source with the bug in it; PatchError says what is wrong with the patch."""
    found = source.count(mutant.find)
    if found != 1:
        raise PatchError(
            f"{mutant.name}: patch no longer applies: expected its text once in {mutant.file}, found it {found} times"
        )
    changed = source.replace(mutant.find, mutant.replace)
    try:
        compile(changed, mutant.file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise PatchError(f"{mutant.name}: expected a patch that compiles: {error}") from None
    if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
        raise PatchError(
            f"{mutant.name}: expected a patch that changes the program, it changes only its text"
        )
    return changed


def check_patches(mutants: tuple[Mutant, ...], root: Path) -> list[str]:
    """What is wrong with the declarations, against the sources under `root`: nothing, one hopes."""
    wrong = []
    tests: dict[str, set[str]] = {}
    for mutant in mutants:
        try:
            patched(mutant, (root / mutant.file).read_text(encoding="utf-8"))
        except (PatchError, OSError) as error:
            wrong.append(str(error))
        file, _, test = mutant.killer.partition("::")
        if file not in tests:
            tests[file] = _tests_in(root / file)
        if test.partition("[")[0] not in tests[file]:
            wrong.append(f"{mutant.name}: expected a test {mutant.killer}, there is none")
    names = [mutant.name for mutant in mutants]
    wrong += [f"{name}: expected each name once" for name in sorted(set(names)) if names.count(name) > 1]
    return wrong


def _tests_in(path: Path) -> set[str]:
    """The names of the test functions in a file, and the empty name for the whole file."""
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {"", *(node.name for node in tree.body if isinstance(node, ast.FunctionDef))}
