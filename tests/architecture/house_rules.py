"""The rules of `ledger` that no linter knows: what would let two honest machines disagree.

`broken_rules(source)` names each breach with its line. The rules are read off the syntax tree, so they see what is
written, not what a value turns out to be; they are a net below review, not a proof. Bytes, time and text are where
implementations differ (DESIGN: deterministic encoding, ASCII-only consensus code), hence the choice of rules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# What reaches outside: also held by the import contracts, repeated here to see imports in any position.
FORBIDDEN_IMPORTS = frozenset({
    "asyncio", "fastapi", "httpx", "importlib", "io", "locale", "logging", "os", "pathlib", "random", "secrets", "socket",
    "subprocess", "tempfile", "threading", "time", "unicodedata", "urllib",
})  # fmt: skip

# Methods whose answer depends on Unicode tables, on the locale, or on the clock.
FORBIDDEN_METHODS = frozenset({
    "capitalize", "casefold", "fromisoformat", "isalnum", "isalpha", "isdecimal", "isdigit", "isidentifier", "islower",
    "isnumeric", "isprintable", "isspace", "istitle", "isupper", "lower", "now", "splitlines", "strftime", "strptime",
    "swapcase", "timestamp", "title", "today", "upper", "utcnow",
})  # fmt: skip

# Without an argument these take every Unicode blank.
WHITESPACE_METHODS = frozenset({"strip", "lstrip", "rstrip", "split", "rsplit"})

FORBIDDEN_CALLS = {
    "__import__": "imports are at the top",
    "eval": "no code from data",
    "exec": "no code from data",
    "float": "no floating point",
    "hash": "it depends on PYTHONHASHSEED",
    "id": "it depends on the memory layout",
    "input": "no input",
    "open": "no input or output",
    "print": "no output",
    "round": "no floating point",
}

# Functions that give the same for any order of what they are given.
ORDER_FREE = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"})

SET_ORDER = "the order of a set depends on PYTHONHASHSEED; sort it"
# Where the order truly cannot show, the line says why: `for position in dirty:  # any order: disjoint slices`.
ANY_ORDER = re.compile(r"# any order: [a-z]")

SECRET_NAME = re.compile(r"(^|_)(seed|secret|passphrase|password|private_key|signing_key|token)$")


@dataclass(frozen=True)
class Breach:
    """One breach of a rule, at one line."""

    line: int
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}"


def broken_rules(source: str) -> list[Breach]:
    """Every breach of the rules for `ledger` in `source`, by line."""
    tree = _with_parents(ast.parse(source))
    breaches = [breach for check in _LEDGER_CHECKS for breach in check(tree)]
    lines = source.splitlines()
    breaches = [b for b in breaches if b.rule != SET_ORDER or not ANY_ORDER.search(lines[b.line - 1])]
    return sorted(breaches, key=lambda breach: (breach.line, breach.rule))


def secrets_in_text(source: str) -> list[Breach]:
    """Every f-string that spells out something named like a secret; a bearer header is what tokens are for."""
    breaches = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        first = node.values[0] if node.values else None
        if isinstance(first, ast.Constant) and str(first.value).startswith("Bearer "):
            continue
        breaches += [
            Breach(part.lineno, f"{name} is written into text")
            for part in node.values
            if isinstance(part, ast.FormattedValue)
            if (name := _name_of(part.value)) and SECRET_NAME.search(name)
        ]
    return breaches


def _name_of(node: ast.expr) -> str:
    """The last name of `a`, `b.a`, `a.hex()` and `a!r`."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"hex", "decode"}
    ):
        return _name_of(node.func.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _with_parents(tree: ast.Module) -> ast.Module:
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
    return tree


def _parent(node: ast.AST) -> ast.AST | None:
    return getattr(node, "parent", None)


def _imports(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if name.split(".")[0] in FORBIDDEN_IMPORTS:
                yield Breach(node.lineno, f"import of {name}: ledger is pure")


def _floats(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in {float, complex}:
            yield Breach(node.lineno, f"float literal {node.value!r}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield Breach(node.lineno, "true division gives a float; use //")
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and isinstance(node.right, ast.UnaryOp)
        ):
            yield Breach(node.lineno, "a negative power gives a float")


def _asserts(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield Breach(node.lineno, "assert vanishes under -O; raise an error of ledger.base.errors")
        elif isinstance(node, ast.Name) and node.id == "__debug__":
            yield Breach(node.lineno, "__debug__ changes under -O")


def _calls(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            name = node.func.id
            if name in FORBIDDEN_CALLS and not (name == "hash" and _is_inside(node, "__hash__")):
                yield Breach(node.lineno, f"{name}(): {FORBIDDEN_CALLS[name]}")
            elif name == "isinstance" and len(node.args) == 2 and "int" in _class_names(node.args[1]):
                yield Breach(node.lineno, "isinstance(…, int) takes True and False; use type(x) is int")
        elif isinstance(node.func, ast.Attribute):
            method = node.func.attr
            if method in FORBIDDEN_METHODS and not _is_in_a_message(node):
                yield Breach(node.lineno, f".{method}() depends on Unicode tables, locale or clock")
            elif method in WHITESPACE_METHODS and not node.args and not node.keywords:
                yield Breach(node.lineno, f".{method}() without an argument takes every Unicode blank")


def _is_in_a_message(node: ast.AST) -> bool:
    """Whether this is part of the sentence of a raised error, which nothing hashes or compares."""
    above = _parent(node)
    in_text = False
    while above is not None and not isinstance(above, ast.stmt):
        in_text = in_text or isinstance(above, ast.JoinedStr)
        above = _parent(above)
    return in_text and isinstance(above, ast.Raise)


def _is_inside(node: ast.AST, function: str) -> bool:
    above = _parent(node)
    while above is not None:
        if isinstance(above, ast.FunctionDef) and above.name == function:
            return True
        above = _parent(above)
    return False


def _class_names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _patterns(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if isinstance(_parent(node), ast.Expr):
            continue  # a docstring
        if found := re.search(r"\\[dDwWsSbB]", node.value):
            yield Breach(node.lineno, f"{found[0]} takes more than ASCII; spell the characters out")
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"IGNORECASE", "I", "LOCALE"}
            and _name_of(node.value) == "re"
        ):
            yield Breach(node.lineno, f"re.{node.attr} folds more than ASCII; spell the characters out")


def _set_iteration(tree: ast.Module) -> Iterator[Breach]:
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.FunctionDef):
            named = _names_of_sets(scope)
            for node in _own_nodes(scope):
                yield from _iterations_of_sets(node, named)


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a scope itself, less the functions inside, which are scopes of their own."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own_nodes(child)


def _names_of_sets(scope: ast.AST) -> frozenset[str]:
    """Names that this scope binds to a set, as far as its text shows."""
    names = set()
    for node in _own_nodes(scope):
        if isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.arg) and _is_set_annotation(node.annotation):
            names.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and _is_set_annotation(node.annotation):
            names.add(_name_of(node.target))
    return frozenset(names)


def _is_set_annotation(node: ast.expr | None) -> bool:
    outer = node.value if isinstance(node, ast.Subscript) else node
    return outer is not None and _name_of(outer) in {"set", "frozenset", "AbstractSet", "MutableSet"}


def _is_set(node: ast.expr, named: frozenset[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in named
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left, named) or _is_set(node.right, named)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )


def _iterations_of_sets(node: ast.AST, named: frozenset[str]) -> Iterator[Breach]:
    if isinstance(node, ast.For) and _is_set(node.iter, named):
        yield Breach(node.lineno, SET_ORDER)
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
        if any(_is_set(loop.iter, named) for loop in node.generators) and not _is_order_free(node):
            yield Breach(node.lineno, SET_ORDER)
    elif isinstance(node, ast.Call):
        function = _name_of(node.func)
        if function in {"list", "tuple", "iter", "enumerate", "join", "zip", "map", "dict", "fromkeys"}:
            if any(_is_set(argument, named) for argument in node.args):
                yield Breach(node.lineno, SET_ORDER)
        elif function == "pop" and not node.args and _is_set(_receiver(node), named):
            yield Breach(node.lineno, SET_ORDER)
    elif (
        isinstance(node, ast.Starred)
        and _is_set(node.value, named)
        and not isinstance(_parent(node), ast.Set)
    ):
        yield Breach(node.lineno, SET_ORDER)


def _receiver(call: ast.Call) -> ast.expr:
    return call.func.value if isinstance(call.func, ast.Attribute) else call.func


def _is_order_free(node: ast.AST) -> bool:
    call = _parent(node)
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ORDER_FREE


_LEDGER_CHECKS: tuple[Callable[[ast.Module], Iterator[Breach]], ...] = (
    _imports,
    _floats,
    _asserts,
    _calls,
    _patterns,
    _set_iteration,
)
