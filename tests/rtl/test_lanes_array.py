"""The PE array alone on lanes, beside Verilator's model of the same Verilog: every chain word in every cycle."""

from itertools import combinations

import pytest

from makalu.sw.rtl.lanes import halves
from tests.rtl.lanes.array_traffic import result_classes, traffic
from tests.rtl.lanes.arrays import Array, array_bench, config_of
from tests.rtl.lanes.forms import needed

CYCLES = 6000
ARRAYS = {
    # two tiles each way, two strips a row of a tile, two chunks a row
    "plain-4": Array(8, 4, 8, 2, 2, "keep"),
    # a row as long as the widest vector
    "avx512-16": Array(16, 8, 16, 2, 1, "keep"),
    "avx512-8": Array(8, 4, 16, 2, 3, "flush"),
    "avx512-4": Array(4, 2, 8, 1, 3, "keep"),
    "avx2-8": Array(8, 8, 16, 1, 2, "flush"),
    "avx2-4": Array(4, 4, 8, 1, 1, "flush"),
}
"""By form of the code and lanes."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRAYS)
def test_array(name):
    """Dense and sparse streams, garbage and idle gaps."""
    form, lanes = name.split("-")
    needed("plain-4" if form == "plain" else f"{form}-8")
    config = config_of(ARRAYS[name])
    bench, model = array_bench(ARRAYS[name], form)
    (strip,) = model.blocks.values()
    assert strip.place.lanes == int(lanes)
    rows = bench.run(traffic(config, cycles=CYCLES, seed=1))
    seen = result_classes(rows, config.tensor.columns)
    print(seen)
    if config.tensor.subnormals == "flush":
        seen.pop("subnormal")
    assert len(rows) == CYCLES and min(seen.values()) > 50, seen


@pytest.mark.slow
def test_two_threads(monkeypatch):
    """Two halves of one class at the same time, as in a full core."""
    monkeypatch.setattr(halves, "LEAST_CHUNKS", 2)
    bench, model = array_bench(ARRAYS["plain-4"], "plain")
    assert any("begin(upper)" in text for text in model.files.values())
    rows = traffic(config_of(ARRAYS["plain-4"]), cycles=2000, seed=2)
    for threads in (1, 2):
        bench.run(rows, threads=threads)


@pytest.mark.parametrize("pair", list(combinations(Array._fields[2:], 2)), ids="-".join)
def test_every_pair_of_values(pair):
    """Of the width of a load, the stages, and what becomes of subnormals."""
    seen = {tuple(getattr(array, name) for name in pair) for array in ARRAYS.values()}
    first, second = (set(values) for values in zip(*seen, strict=True))
    assert len(seen) == len(first) * len(second) > 3
