"""The interface's own description as one page for people, made from the OpenAPI document.

A page that loads scripts from elsewhere would hand a reader's token to whoever serves them. This one is text and a style sheet
and is not allowed to run anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --mark: #0a6e5c; }
@media (prefers-color-scheme: dark) { :root { --mark: #5fd3bc; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem; }
nav a { display: inline-block; margin: 0 1rem .25rem 0; }
a { color: var(--mark); }
h2 { margin: 2.5rem 0 .5rem; text-transform: capitalize; border-bottom: 1px solid var(--line); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .25rem 1rem 1rem; margin: 1rem 0; }
h3 { font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
h3 b { color: var(--mark); }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; border-radius: .375rem; overflow-x: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); }
td p { margin: 0; }
summary { cursor: pointer; padding: .15rem 0; }
"""


def page(document: Mapping[str, Any]) -> str:
    """The HTML page for an OpenAPI document."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(document["info"]["title"])
    links = "".join(f'<a href="#{_anchor(m, p)}">{m.upper()} {escape(p)}</a>' for p, m, _ in operations)
    body = "".join(_sections(operations))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"/><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"/><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title}</h1>{_paragraphs(document['info']['description'])}"
        f'<p><a href="/openapi.json">openapi.json</a></p><nav>{links}</nav>{body}</main></body></html>'
    )


def _anchor(method: str, path: str) -> str:
    return method + "".join(character if character.isalnum() else "-" for character in path)


def _paragraphs(text: str) -> str:
    """Blank lines part paragraphs, backquotes are code, stars emphasise."""
    parts = []
    for paragraph in text.split("\n\n"):
        pieces = escape(paragraph).split("`")
        marked = "".join(
            f"<code>{piece}</code>" if place % 2 else _emphasised(piece) for place, piece in enumerate(pieces)
        )
        parts.append(f"<p>{marked}</p>")
    return "".join(parts)


def _emphasised(text: str) -> str:
    pieces = text.split("*")
    return "".join(f"<em>{piece}</em>" if place % 2 else piece for place, piece in enumerate(pieces))


def _sections(operations: list[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    tag = None
    for path, method, operation in operations:
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            yield f"<h2>{escape(tag)}</h2>"
        access = "<p>Needs the reader's token.</p>" if "security" in operation else ""
        yield (
            f'<article id="{_anchor(method, path)}"><h3><b>{method.upper()}</b> {escape(path)}</h3>'
            f"<p><strong>{escape(operation['summary'])}.</strong></p>{_paragraphs(operation['description'])}{access}"
            f"{_parameters(operation)}{_body(operation)}{''.join(_answers(operation))}</article>"
        )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}"
        f"{', required' if parameter.get('required') else ''}</td><td>{_paragraphs(parameter['description'])}</td></tr>"
        for parameter in operation.get("parameters", ())
    ]
    if not rows:
        return ""
    head = "<tr><th>Parameter</th><th>Where</th><th>What</th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _body(operation: Mapping[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    types = ", ".join(operation["requestBody"]["content"])
    return f"<p>Body, <code>{escape(types)}</code>:</p>{_paragraphs(operation['requestBody']['description'])}"


def _answers(operation: Mapping[str, Any]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if not response.get("content"):
            yield f"<p><b>{status}</b> {escape(response['description'])}</p>"
        for media_type, content in response.get("content", {}).items():
            shown = content.get("examples", {"": {"value": content.get("example")}})
            examples = "".join(_example(example["value"]) for example in shown.values())
            codes = ", ".join(name for name in shown if name)
            yield (
                f"<details><summary><b>{status}</b> {escape(response['description'])} <code>{escape(media_type)}</code> "
                f"{escape(codes)}</summary>{examples}</details>"
            )


def _example(value: Any) -> str:
    if value is None:
        return "<p>Bytes.</p>"
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"
