"""The same program on two machines, and everything that a run leaves behind."""

import functools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.isa import Queue
from makalu.sw.rtl.machine import Machine, RunResult
from makalu.sw.rtl.soak import Case
from makalu.sw.rtl.trace import Trace, read_trace
from verif.lib.variants import bench_config

__all__ = ["Ran", "case_arguments", "first_difference", "lanes_machine", "ran"]

MOST_CYCLES = 4_000_000


@functools.cache
def lanes_machine(name: str, observe: str = "trace", kind: type[Machine] = Machine) -> Machine:
    """Built in little time, as a machine that starts at random where it is not told another seed."""
    return kind(config=bench_config(name), simulator="lanes", observe=observe)


@dataclass(frozen=True, eq=False)
class Ran:
    """Result of a run, with the rows of its trace and the text of its log; the files are gone."""

    result: RunResult
    memory: NDArray[np.uint8]
    registers: dict[str, int]
    earlier: tuple[dict[str, int], ...]
    trace: Trace
    log: str


def ran(machine: Machine, image: NDArray[np.uint8], programs: Mapping[Queue, int], **arguments: Any) -> Ran:
    """A run of an observed machine."""
    result = machine.run(image, programs, log=True, **arguments)
    assert result.trace is not None and result.log is not None
    trace = read_trace(result.trace, machine.config, machine.observe)
    log = result.log.read_text()
    shutil.rmtree(result.trace.parent)
    return Ran(result, result.image, result.registers, result.earlier, trace, log)


def case_arguments(case: Case) -> dict[str, Any]:
    """Arguments of `ran` for a random program; everything starts at 0, in every simulator."""
    program = case.random.program
    return {
        "image": program.image(case.random.inputs),
        "programs": program.addresses,
        "max_cycles": MOST_CYCLES,
        "memory": case.memory,
        "stalls": case.stalls,
        "seed": 0,
    }


def first_difference(lanes: Ran, other: Ran) -> str | None:
    """What differs first in trace, log, registers and memory, and where; None where all is the same."""
    a, b = lanes.trace, other.trace
    assert a.fields == b.fields
    both = min(a.cycles, b.cycles)
    wrong = np.flatnonzero((a.raw[:both] != b.raw[:both]).any(axis=1))
    if wrong.size:
        return f"trace in cycle {wrong[0]}, bytes {np.flatnonzero(a.raw[wrong[0]] != b.raw[wrong[0]])}"
    if a.cycles != b.cycles:
        return f"trace of {a.cycles} cycles, not {b.cycles}"
    for name, mine, theirs in (
        ("handshakes", lanes.log.splitlines(), other.log.splitlines()),
        ("registers", [*lanes.earlier, lanes.registers], [*other.earlier, other.registers]),
    ):
        if mine != theirs:
            at = next((i for i, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), -1)
            return f"{name} {at} of {len(mine)}, {len(theirs)}: {mine[at]}, not {theirs[at]}"
    bad = np.flatnonzero(lanes.memory != other.memory)
    return f"memory at {bad[0]:#x} and {bad.size - 1} others" if bad.size else None
