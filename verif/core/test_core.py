"""The whole core against the lockstep model, every port in every cycle; the memory afterwards against golden."""

from pathlib import Path
from random import Random
from typing import Any

import cocotb
import numpy as np

from makalu.sw.compile.program import Program
from makalu.sw.compile.program_file import load_program
from makalu.sw.random_programs.program import random_program
from makalu.sw.rtl.params import bench_params
from makalu.sw.run import run_golden_machine
from verif.core.tb import CoreBench
from verif.lib.variants import bench_config

PARAMS = bench_params()
LIMIT = 50_000


async def check(dut: Any, program: Program, inputs: dict[str, Any], *, latency: int, open_chance: float) -> None:
    config = bench_config(PARAMS["config"])
    rng = Random(cocotb.RANDOM_SEED)
    bench = CoreBench(dut, config, program.image(inputs), rng, latency=latency, open_chance=open_chance)
    registers = await bench.run(program.addresses, limit=LIMIT)
    golden = run_golden_machine(program, inputs, config=config).memory
    assert np.array_equal(bench.image, golden), "the memory differs from golden"
    cocotb.log.info("%d instructions, %d cycles", program.instructions, registers["cycles"])


async def check_random(dut: Any, *, seed: int, latency: int, open_chance: float) -> None:
    case = random_program(
        bench_config(PARAMS["config"]), seed=seed, instructions=PARAMS["instructions"], elements=PARAMS["elements"]
    )
    await check(dut, case.program, case.inputs, latency=latency, open_chance=open_chance)


@cocotb.test()
async def random_program_without_stalls(dut: Any) -> None:
    """Every opcode, ragged shapes, all queues at once; the memory answers at once."""
    await check_random(dut, seed=PARAMS["seed"], latency=0, open_chance=1.0)


@cocotb.test()
async def random_program_under_stalls(dut: Any) -> None:
    """The same kind of program while every channel of both ports stalls at random."""
    await check_random(dut, seed=PARAMS["seed"] + 1, latency=7, open_chance=0.6)


@cocotb.test()
async def matmul_under_stalls(dut: Any) -> None:
    """The example's GEMM, which the entry compiles: benches do not import examples."""
    program = load_program(Path(PARAMS["matmul"]))
    random = np.random.default_rng(cocotb.RANDOM_SEED)
    inputs = {name: random.normal(size=program.tensors[name].shape) for name in program.inputs}
    await check(dut, program, inputs, latency=20, open_chance=0.8)
