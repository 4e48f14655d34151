"""Entries of the cocotb benches of Vector and Scalar."""

from dataclasses import replace

import pytest

from makalu.spec.config import EngineConfig
from makalu.spec.preset import load_preset
from makalu.sw.rtl.runner import run_bench
from verif.vector.assembly import LanesAssembly

RATES = {"full": ("1/1", "1/1"), "slow": ("2/5", "1/2")}
SOME = ("sbuf conflict", "both granted", "merge")
ALL = (*SOME, "psum conflict", "owned")
"""What the traffic of both engines must have shown."""


def bench(*, module, rates, count, simulator="verilator", preset="tiny", points=ALL):
    vector, scalar = RATES[rates]
    config = replace(load_preset(preset), vector=EngineConfig(rate=vector), scalar=EngineConfig(rate=scalar))
    return run_bench(
        LanesAssembly(config=config),
        name=f"lanes-{preset}-{rates}",
        test_module=module,
        kept=True,
        simulator=simulator,
        params={"preset": preset, "rates": {"vector": vector, "scalar": scalar}, "count": count, "points": points},
    )


@pytest.mark.parametrize("rates", ["full", pytest.param("slow", marks=pytest.mark.slow)])
def test_vector_bench_verilator(rates):
    assert bench(module="verif.vector.test_vector", rates=rates, count=45) == 2


def test_scalar_bench_verilator():
    assert bench(module="verif.scalar.test_scalar", rates="full", count=40) == 1


@pytest.mark.icarus
def test_vector_bench_icarus():
    assert bench(module="verif.vector.test_vector", rates="full", count=12, simulator="icarus", points=SOME) == 2
