"""Each judge of the conformance table fails on one wrong bit of one vector: golden's, and the RTL's in every unit."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from makalu.hw.arith.assembly import OUTPUTS
from makalu.spec.formats import BF16, E2M1_X4, E4M3, E4M3FN_X4, E5M2, E5M2_X4, FORMATS, TF32
from makalu.sw.cli.bench import conformance
from makalu.sw.results import failed
from verif.conformance import table
from verif.conformance.arithmetic import extremes, fused, products, sums
from verif.conformance.blocks import chain_steps, random_blocks
from verif.conformance.case import judged, wrong_on_model
from verif.conformance.formats import decoding, integer_decoding, integer_rounding, rounding
from verif.conformance.short import (
    every_pair_product,
    every_quad_product,
    mx_decoding,
    pairs,
    quads,
    quads_beside_golden,
    scale_decoding,
)

CASES = [
    *(decoding(E5M2), rounding(E4M3, 300), rounding(TF32, 300)),
    *(integer_decoding(FORMATS["uint8"], 256), integer_rounding(FORMATS["int16"], 300)),
    *(fused(50), products(BF16, E5M2, 50), products(E5M2, BF16, 50, subnormals="flush"), *sums(50), *extremes(50)),
    *(pairs(E4M3, E5M2, 50), quads(E4M3FN_X4, E2M1_X4, 50), quads_beside_golden(E5M2_X4, E2M1_X4, 50)),
    *(every_quad_product(E2M1_X4, E2M1_X4), every_pair_product(E5M2, E5M2), mx_decoding(E2M1_X4), scale_decoding()),
    chain_steps(random_blocks(E5M2_X4, E5M2_X4), 1),
]


def with_a_wrong_bit(case, oracle, bit):
    """In a vector in the middle whose result is a number."""
    wants = {name: np.array(want).astype(np.int64) for name, want in case.wants.items()}
    last = case.result.infinity if case.result.has_infinity else case.result.largest
    numbers = np.flatnonzero((wants[oracle] >> case.result.padding & case.result.magnitude_mask) < last)
    wants[oracle][numbers[len(numbers) // 2]] ^= 1 << case.result.padding + bit
    return replace(case, wants=wants)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation}-{case.subnormals}")
def test_one_wrong_bit_is_seen_on_golden_and_in_every_unit_of_the_rtl(case):
    assert wrong_on_model(case) == 0
    for oracle in case.wants:
        assert wrong_on_model(with_a_wrong_bit(case, oracle, 0)) == 1
    first = next(iter(case.wants))
    verdict = judged([with_a_wrong_bit(case, first, 1)])
    units = verdict.results // verdict.vectors
    assert verdict.vectors == case.vectors and verdict.mismatches == units >= 1
    assert all(difference.unit in {output.name for output in OUTPUTS} for difference in verdict.first)


def test_a_mismatch_misses_a_must(monkeypatch):
    wrong = [with_a_wrong_bit(decoding(E5M2), "gfloat", 0), decoding(E4M3)]
    rows = {"right": lambda: table.outcome([decoding(E4M3)]), "wrong": lambda: table.outcome(wrong)}
    monkeypatch.setattr(table, "ROWS", rows)
    figures = conformance.measure(Console(quiet=True))
    assert [figure.name for figure in failed(figures)] == ["conformance_wrong_mismatched"]
    values = {figure.name: figure.value for figure in figures}
    assert values["conformance_right_oracles"] == "gfloat, ml_dtypes" and values["conformance_right_mismatched"] == 0
    assert (values["conformance_wrong_model_vectors"], values["conformance_wrong_rtl_vectors"]) == (512, 512)
    assert values["conformance_wrong_mismatched"] == 2, "golden's, and the RTL's one unit"
    assert len(conformance.COLUMNS) * len(rows) == len(figures)
