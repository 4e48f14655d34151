"""Entries of the core's cocotb bench. `test_lockstep.py` compares the same ports without cocotb, in longer runs."""

import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.hw.core import Core
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program_file import save_program
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.rtl.runner import run_bench
from verif.core.configs import SLOW_ENGINES, core_config

TESTS = 3
SPEC = TensorSpec((8, 8), nl.bfloat16)


def bench(config, simulator, folder, *, instructions, seed):
    matmul = folder / "gemm.makalu"
    save_program(compile_kernel(gemm, core_config(config), a=SPEC, b=SPEC), matmul)
    return run_bench(
        Core(config=core_config(config), observe="all"),
        name=f"core-{config}",
        test_module="verif.core.test_core",
        kept=True,
        simulator=simulator,
        hierarchical=simulator == "verilator",
        params={
            "config": config,
            "instructions": instructions,
            "elements": 8,
            "seed": seed,
            "matmul": str(matmul),
        },
    )


@pytest.mark.slow
@pytest.mark.icarus
@pytest.mark.parametrize("config", ["tiny", SLOW_ENGINES])
def test_core_bench_icarus(config, tmp_path):
    assert bench(config, "icarus", tmp_path, instructions=30, seed=30) == TESTS


@pytest.mark.slow
def test_core_bench_verilator(tmp_path):
    assert bench("tiny", "verilator", tmp_path, instructions=30, seed=20) == TESTS
