"""The table of `makalu bench --part conformance`: every row's cases on golden and on the RTL's arithmetic units."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from makalu.spec.formats import INTEGERS, SINGLES
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import QUADS
from verif.conformance.arithmetic import FP8, every_product, extremes, fused, products, sums
from verif.conformance.blocks import beyond_the_bound, chain_steps, random_blocks
from verif.conformance.case import Case, judged, wrong_on_model
from verif.conformance.formats import NARROW, decoding, integer_decoding, integer_rounding, rounding
from verif.conformance.short import (
    ELEMENT,
    every_pair_product,
    every_quad_product,
    mx_decoding,
    pairs,
    quads,
    scale_decoding,
)

__all__ = ["ROWS", "Outcome", "outcome"]

ROUNDED, INTEGER, RANDOM, TYPES, SHORT, CHAINS = 200_000, 65_536, 100_000, 1_000, 2_000, 16
"""Vectors of a format's rounding, of an integer, of a unit of fp32; of two types, as products, and as sums of short
ones; results of a matmul whose chains the RTL makes too."""


@dataclass(frozen=True)
class Outcome:
    """What a row says."""

    oracles: str
    model: int
    """Vectors, or results of a matmul."""
    rtl: int
    """Vectors."""
    results: int
    """Of the RTL's units: a vector goes to every cut that computes it."""
    mismatched: int
    """Vectors of the model that an oracle does not confirm, and results of the RTL."""


def outcome(cases: Sequence[Case]) -> Outcome:
    """Of cases with one rule for subnormals."""
    verdict = judged(cases)
    return Outcome(
        oracles=", ".join(dict.fromkeys(name for case in cases for name in case.wants)),
        model=sum(case.vectors for case in cases),
        rtl=verdict.vectors,
        results=verdict.results,
        mismatched=sum(map(wrong_on_model, cases)) + verdict.mismatches,
    )


def _blocks() -> Outcome:
    """Golden's matmuls against doubles under the bound; on the RTL chains of golden's."""
    results = beyond = 0
    steps = []
    for a, b in product(QUADS, QUADS):
        blocks = random_blocks(a, b)
        count, wrong = beyond_the_bound(blocks)
        results, beyond = results + count, beyond + wrong
        steps.append(chain_steps(blocks, CHAINS))
    rtl = outcome(steps)
    return Outcome("float64 and the bound", results, rtl.rtl, rtl.results, beyond + rtl.mismatched)


def _of(name: str, cases: Callable[[], Sequence[Case]]) -> tuple[str, Callable[[], Outcome]]:
    return name, lambda: outcome(cases())


def _two(of: Callable[..., Case], forms: Sequence[object]) -> Callable[[], list[Case]]:
    return lambda: [of(a, b) for a, b in product(forms, forms)]


_UNITS = ("psum", "add", "sub", "mul")
_FLUSHED = [form for form in SINGLES if not form.splits]

ROWS: Mapping[str, Callable[[], Outcome]] = dict(
    [
        *(_of(f"decode-{form.name}", lambda form=form: [decoding(form)]) for form in NARROW),
        *(_of(f"decode-mx-{ELEMENT[form].name}", lambda form=form: [mx_decoding(form)]) for form in QUADS),
        _of("decode-mx-scale-e8m0", lambda: [scale_decoding()]),
        *(_of(f"round-to-{form.name}", lambda form=form: [rounding(form, ROUNDED)]) for form in NARROW),
        *(_of(f"round-to-{form.name}", lambda form=form: [integer_rounding(form, INTEGER)]) for form in INTEGERS),
        _of("integers-to-fp32", lambda: [integer_decoding(form, INTEGER) for form in INTEGERS]),
        _of("fused-multiply-add-bf16", lambda: [fused(RANDOM)]),
        _of("fused-multiply-add-any-types", _two(partial(products, vectors=TYPES), SINGLES)),
        _of("fused-multiply-add-flush", _two(partial(products, vectors=TYPES, subnormals="flush"), _FLUSHED)),
        *(_of(f"{name}-fp32", lambda n=n: [sums(RANDOM)[n]]) for n, name in enumerate(_UNITS)),
        *(_of(f"{name}-fp32", lambda n=n: [extremes(RANDOM)[n]]) for n, name in enumerate(("max", "min"))),
        _of("fp8-products-all", _two(every_product, FP8)),
        _of("double-row-products-all", _two(every_pair_product, PAIRABLE)),
        _of("mx-products-all", _two(every_quad_product, QUADS)),
        _of("double-row-sums", _two(partial(pairs, vectors=SHORT), PAIRABLE)),
        _of("mx-sums", _two(partial(quads, vectors=SHORT), QUADS)),
        ("mx-matmul-blocks", _blocks),
    ]
)
"""By name: nothing is made before it is called."""
