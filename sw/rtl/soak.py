"""A seed becomes a random program, a memory and a run on the RTL; the golden image is the oracle of every byte."""

import shutil
from dataclasses import dataclass, replace

import numpy as np

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.memory import NO_STALLS, STALL_UNIT, MemoryTiming, StallProbabilities
from makalu.sw.random_program import RandomProgram, random_program
from makalu.sw.rtl.machine import Machine, MachineError, RunResult
from makalu.sw.run import run_golden_machine

__all__ = ["MOST_INSTRUCTIONS", "Case", "Verdict", "make_case", "run_case"]

MOST_INSTRUCTIONS = 200
MOST_CYCLES = 4_000_000
_INSTRUCTIONS = (40, 180)
_ELEMENTS = (4, 8, 16, 64)
_LARGE_PARTITIONS = 16
"""From here on a program of long rows takes a minute: transfers are cut into pieces a partition."""
_LARGE_ELEMENTS = 16
_LATENCIES = (0, 3, 17, 100, 300)
_LARGE_LATENCIES = (0, 3, 17, 60)
_OUTSTANDING = (1, 2, 5, 16, 64)
_CHANNELS = ("aw", "w", "b", "ar", "r", "iar", "ir")


@dataclass(frozen=True, kw_only=True)
class Case:
    """All of it follows from preset and seed."""

    random: RandomProgram
    memory: MemoryTiming
    stalls: StallProbabilities

    def __str__(self) -> str:
        stalled = "" if self.stalls == NO_STALLS else ", stalls"
        return (
            f"{self.random.config.name} seed {self.random.seed}: {self.random.program.instructions} instructions, "
            f"latency {self.memory.latency}{stalled}"
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`fault` is None, or what went wrong first."""

    case: Case
    cycles: int
    bytes: int
    fault: str | None


def make_case(config: CoreConfig, seed: int) -> Case:
    """Sizes, memory and stalls of `seed`; every second seed has stalls on all channels."""
    random = np.random.default_rng([seed, config.partitions])
    large = config.partitions >= _LARGE_PARTITIONS
    most = _LARGE_ELEMENTS if large else max(_ELEMENTS)
    elements = int(random.choice([n for n in _ELEMENTS if n <= most]))
    low, high = _INSTRUCTIONS
    program = random_program(
        config, seed=seed, instructions=int(random.integers(low, high, endpoint=True)), elements=elements
    )
    memory = replace(
        MemoryTiming.of(config.memory, latency=int(random.choice(_LARGE_LATENCIES if large else _LATENCIES))),
        outstanding_reads=int(random.choice(_OUTSTANDING)),
        outstanding_writes=int(random.choice(_OUTSTANDING)),
        outstanding_instructions=int(random.choice(_OUTSTANDING)),
    )
    rates = {name: int(random.integers(STALL_UNIT // 2)) for name in _CHANNELS}
    stalls = StallProbabilities(**rates, seed=seed + 1) if seed % 2 else NO_STALLS
    return Case(random=program, memory=memory, stalls=stalls)


def run_case(machine: Machine, case: Case) -> Verdict:
    """Golden and RTL, compared over the whole memory image."""
    program, inputs = case.random.program, case.random.inputs
    image = program.image(inputs)
    golden = run_golden_machine(program, inputs, config=machine.config).memory
    try:
        result = machine.run(
            image,
            program.addresses,
            max_cycles=MOST_CYCLES,
            memory=case.memory,
            stalls=case.stalls,
            seed=case.random.seed + 1,
        )
    except MachineError as error:
        return Verdict(case=case, cycles=0, bytes=0, fault=str(error))
    _forget(result)
    return Verdict(case=case, cycles=result.cycles, bytes=image.size, fault=_fault(case, result, golden))


def _fault(case: Case, result: RunResult, golden: np.ndarray) -> str | None:
    if result.error:
        return f"a queue stopped: {result.registers}"
    wrong = np.flatnonzero(result.memory != golden)
    if not wrong.size:
        return None
    at = int(wrong[0])
    tensors = case.random.program.tensors.values()
    name = next((t.name for t in tensors if t.address <= at < t.address + t.bytes), "no tensor")
    return f"{wrong.size} bytes differ, first at {at:#x} ({name}): {result.memory[at]:#x}, golden {golden[at]:#x}"


def _forget(result: RunResult) -> None:
    if result.trace is not None:
        shutil.rmtree(result.trace.parent)
