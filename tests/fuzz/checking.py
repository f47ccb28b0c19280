"""The properties of a decoder, checked on one input: a documented error or an answer, and what is accepted has one form."""

from __future__ import annotations

import random
import traceback
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from tests.fuzz.decoders import DECODERS, Decoder
from tests.fuzz.mutation import mutate


class Finding(NamedTuple):
    """A property that does not hold."""

    decoder: str
    what: str
    """"escaped TypeError at file:line", or "accepted another form"."""
    data: bytes


def check(decoder: Decoder, data: bytes) -> Finding | bool:
    """Whether `data` was accepted; a Finding if a property does not hold."""
    try:
        again = decoder.read(data)
    except decoder.errors:
        return False
    except Exception as error:  # noqa: BLE001  # whatever escapes is what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Finding(decoder.name, f"escaped {type(error).__name__} in {where.name}", data)
    if again is not None and again != data:
        return Finding(decoder.name, "accepted another form", data)
    return True


@cache
def pool(form: str) -> tuple[bytes, ...]:
    """Samples of every decoder of a form, for splicing."""
    return tuple(sample for decoder in DECODERS if decoder.form == form for sample in decoder.samples()[:8])


class Drawn(NamedTuple):
    """What a run of drawn inputs came to."""

    inputs: int
    accepted: int
    findings: tuple[Finding, ...]


def run_drawn(decoder: Decoder, seed: int, inputs: int, *, corpus: Sequence[bytes] = ()) -> Drawn:
    """Check `inputs` alterations of the decoder's samples, drawn from `seed`; each kind of finding once."""
    draw = random.Random(f"{decoder.name} {seed}")
    whole = (*decoder.samples(), *corpus)
    others = (*whole, *pool(decoder.form))
    accepted = 0
    findings: dict[str, Finding] = {}
    for _ in range(inputs):
        data = mutate(draw.choice(whole), decoder.form, others if draw.random() < 0.3 else whole, draw)
        found = check(decoder, data)
        if isinstance(found, Finding):
            findings.setdefault(found.what, found)
        else:
            accepted += found
    return Drawn(inputs, accepted, tuple(findings.values()))
