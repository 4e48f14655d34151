"""Entry of the cocotb bench of the PSUM slices."""

import pytest

from makalu.hw.spec.config import load_preset
from makalu.sw.rtl.runner import run_bench
from verif.psum.assembly import PsumAssembly

CYCLES = {"tiny": 1500, "trn2-mini": 300}


def run(preset, simulator, cycles):
    ran = run_bench(
        PsumAssembly(config=load_preset(preset)),
        name=f"psum-{preset}",
        test_module="verif.psum.test_psum",
        simulator=simulator,
        params={"preset": preset, "cycles": cycles},
    )
    assert ran == 2


@pytest.mark.parametrize("preset", CYCLES)
def test_psum_bench_verilator(preset):
    run(preset, "verilator", CYCLES[preset])


@pytest.mark.icarus
def test_psum_bench_icarus():
    run("tiny", "icarus", 500)
