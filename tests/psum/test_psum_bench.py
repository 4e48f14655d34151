"""Entry of the cocotb bench of the PSUM slices."""

import pytest

from makalu.sw.rtl.runner import run_bench
from verif.lib.variants import bench_config
from verif.psum.assembly import PsumAssembly

CYCLES = {"tiny": 1500, "psum-add-1": 600, "psum-add-2": 600}


def run(config, simulator, cycles):
    ran = run_bench(
        PsumAssembly(config=bench_config(config)),
        name=f"psum-{config}",
        test_module="verif.psum.test_psum",
        collisions="x" if simulator == "icarus" else "old",
        kept=True,
        simulator=simulator,
        params={"config": config, "cycles": cycles},
    )
    assert ran == 2


@pytest.mark.slow
@pytest.mark.parametrize("config", CYCLES)
def test_psum_bench_verilator(config):
    run(config, "verilator", CYCLES[config])


@pytest.mark.icarus
def test_psum_bench_icarus():
    run("tiny", "icarus", 500)
