"""The whole core. `tests/core/test_lockstep.py` compares the same ports without cocotb, in longer runs."""

from dataclasses import replace
from pathlib import Path

from makalu.examples.gemm.gemm import gemm
from makalu.hw.core import Core
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program_file import save_program
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from verif.lib.cases import Case, Config, Prepared
from verif.lib.variants import bench_config

__all__ = ["CASES"]

SPEC = TensorSpec((8, 8), nl.bfloat16)


def core(config: Config) -> Core:
    return Core(config=bench_config(config), observe="all")


def with_matmul(folder: Path, config: Config | None) -> Prepared:
    """The program of a GEMM, compiled for this core."""
    path = folder / "gemm.makalu"
    save_program(compile_kernel(gemm, bench_config(config), a=SPEC, b=SPEC), path)
    return Prepared({"matmul": str(path)})


TINY = Case(
    name="tiny",
    module="verif.core.test_core",
    tests=3,
    component=core,
    config="tiny",
    params={"instructions": 30, "elements": 8, "seed": 20},
    prepare=with_matmul,
    hierarchical=True,
    slow=True,
)
SLOW = replace(TINY, name="slow-engines", config="slow-engines")
LONG = {"params": {**TINY.params, "instructions": 150}, "soak": True}

CASES = (
    TINY,
    TINY.on_icarus(collisions="x", seed=30, slow=True),
    replace(SLOW.on_icarus(collisions="x", seed=30, slow=True), soak=True),
    replace(TINY, name="tiny-long", **LONG),
    replace(SLOW, name="slow-engines-long", **LONG),
)
