"""Entry of the cocotb bench of SBUF slices and access arbiter."""

import pytest

from makalu.sw.rtl.runner import run_bench
from verif.lib.variants import bench_config
from verif.sbuf.assembly import SbufAssembly

CYCLES = {"tiny": 1500, "wide-words": 1000}


def run(config, simulator, cycles):
    ran = run_bench(
        SbufAssembly(config=bench_config(config)),
        name=f"sbuf-{config}",
        test_module="verif.sbuf.test_sbuf",
        collisions="x" if simulator == "icarus" else "old",
        kept=True,
        simulator=simulator,
        params={"config": config, "cycles": cycles},
    )
    assert ran == 3


@pytest.mark.slow
@pytest.mark.parametrize("config", CYCLES)
def test_sbuf_bench_verilator(config):
    run(config, "verilator", CYCLES[config])


@pytest.mark.icarus
def test_sbuf_bench_icarus():
    run("tiny", "icarus", 300)
