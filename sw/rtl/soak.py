"""A seed becomes a random program, a memory and a run on the RTL; the golden image is the oracle of every byte."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.memory import NO_STALLS, STALL_UNIT, MemoryTiming, StallProbabilities
from makalu.sw.random_programs.program import RandomProgram, random_program
from makalu.sw.rtl.fleet import Fleet, Job
from makalu.sw.rtl.machine import Machine, MachineError, RunResult
from makalu.sw.run import run_golden_machine

__all__ = ["MOST_INSTRUCTIONS", "Case", "Soaker", "Verdict", "make_case", "run_case"]

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
_SMALL_PES = 64
"""Up to here cores run side by side."""
_BATCH = 64
"""Cases that are given to a fleet at once."""
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
    golden = _golden(machine.config, case)
    return _verdict(case, _run(machine, case), golden)


class Soaker:
    """Runs cases on lanes, several at once: small cores side by side in one program, larger ones in a program each.

    `name` is that of the build: it has a digest of all sources.
    """

    def __init__(self, config: CoreConfig, *, progress: bool = False) -> None:
        self.config = config
        self._small = config.tensor.rows * config.tensor.columns <= _SMALL_PES
        self._machine = Machine(config=config, simulator="lanes", fast=True)
        self._fleet = Fleet(config=config)
        self.name = (self._fleet if self._small else self._machine).build(progress=progress).folder.name
        self.batch = _BATCH if self._small else _BATCH // 8

    def run(self, cases: Sequence[Case]) -> list[Verdict]:
        """In the order of the cases; golden works while the RTL does."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            if self._small:
                fleet = pool.submit(self._fleet.run, [self._job(case) for case in cases])
                goldens = [_golden(self.config, case) for case in cases]
                results = fleet.result()
            else:
                machines = [pool.submit(_run, self._machine, case) for case in cases]
                goldens = [_golden(self.config, case) for case in cases]
                results = [machine.result() for machine in machines]
        return [_verdict(*each) for each in zip(cases, results, goldens, strict=True)]

    def _job(self, case: Case) -> Job:
        return Job(
            image=case.random.program.image(case.random.inputs),
            script=self._machine.script(
                case.random.program.addresses, MOST_CYCLES, 0, random=case.random.program.random_seed
            ),
            max_cycles=MOST_CYCLES,
            memory=case.memory,
            stalls=case.stalls,
            seed=case.random.seed + 1,
        )


def _golden(config: CoreConfig, case: Case) -> NDArray[np.uint8]:
    return run_golden_machine(case.random.program, case.random.inputs, config=config).memory


def _run(machine: Machine, case: Case) -> RunResult | MachineError:
    try:
        result = machine.run(
            case.random.program.image(case.random.inputs),
            case.random.program.addresses,
            max_cycles=MOST_CYCLES,
            memory=case.memory,
            stalls=case.stalls,
            random=case.random.program.random_seed,
            seed=case.random.seed + 1,
        )
    except MachineError as error:
        return error
    result.discard()
    return result


def _verdict(case: Case, result: RunResult | MachineError, golden: NDArray[np.uint8]) -> Verdict:
    if isinstance(result, MachineError):
        return Verdict(case=case, cycles=0, bytes=0, fault=str(result))
    return Verdict(case=case, cycles=result.cycles, bytes=golden.size, fault=_fault(case, result, golden))


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
