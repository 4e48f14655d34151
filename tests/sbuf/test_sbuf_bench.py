"""Entry of the cocotb bench of SBUF slices and access arbiter."""

import pytest

from makalu.hw.spec.config import load_preset
from makalu.sw.rtl.runner import run_bench
from verif.sbuf.assembly import SbufAssembly

CYCLES = {"tiny": 1500, "trn2-mini": 300}


@pytest.mark.parametrize("preset", CYCLES)
def test_sbuf_bench_verilator(preset):
    ran = run_bench(
        SbufAssembly(config=load_preset(preset)),
        name=f"sbuf-{preset}",
        test_module="verif.sbuf.test_sbuf",
        params={"preset": preset, "cycles": CYCLES[preset]},
    )
    assert ran == 3
