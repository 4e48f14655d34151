"""Lanes beside Verilator and Amaranth for long: random programs on five cores, PE arrays, random designs."""

import functools

import pytest

from makalu.sw.rtl.lanes.nets import NetlistError
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.soak import make_case
from tests.rtl.lanes.array_traffic import traffic
from tests.rtl.lanes.arrays import Array, array_bench, config_of
from tests.rtl.lanes.designs import check
from tests.rtl.lanes.forms import FORMS
from tests.rtl.lanes.machines import case_arguments, first_difference, lanes_machine, ran
from tests.rtl.lanes.random_design import random_design
from verif.lib.variants import bench_config

PRESETS = ("small", "slow-engines", "trn1-mini", "trn2-mini", "trn3-mini")
PROGRAMS = range(100, 200)


OBSERVED = {"slow-engines": "all"}
"""Every port; of the others the trace."""


@functools.cache
def verilator(name, observe):
    return Machine(config=bench_config(name), simulator="verilator", observe=observe, fast=True)


@pytest.mark.parametrize("name", PRESETS)
def test_programs(name):
    """Trace, handshakes, registers and memory are Verilator's, bit for bit."""
    machines = [machine(name, OBSERVED.get(name, "trace")) for machine in (lanes_machine, verilator)]
    for seed in PROGRAMS:
        case = make_case(bench_config(name), seed)
        lanes, other = (ran(machine, **case_arguments(case)) for machine in machines)
        difference = first_difference(lanes, other)
        assert difference is None, f"{case}: {difference}"


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
@pytest.mark.parametrize("word_bytes", [8, 16])
@pytest.mark.parametrize("add_stages", [1, 2, 3])
@pytest.mark.parametrize("mul_stages", [1, 2])
def test_arrays(mul_stages, add_stages, word_bytes, subnormals):
    """All combinations, each in each form for 200,000 cycles."""
    array = Array(8, 4, word_bytes, mul_stages, add_stages, subnormals)
    for form in ("plain", "avx2", "avx512"):
        if not FORMS["plain-4" if form == "plain" else f"{form}-8"].missing:
            bench, _ = array_bench(array, form)
            for seed in range(10):
                bench.run(traffic(config_of(array), cycles=20_000, seed=seed))


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_designs(first):
    """Most are taken; the others have wires that are no rows and columns, or paths without an order."""
    taken = 0
    for seed in range(first, first + 50):
        design, classes = random_design(seed)
        try:
            check(design, *classes, seeds=[seed], moves=False)
        except NetlistError:
            continue
        taken += 1
    assert taken > 20
