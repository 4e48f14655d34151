"""A program on the RTL, from values to memory and every event; what a run may not be taken for is an error."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from makalu.sim_models.timing.core import Timeline, TimelineEvent
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import decode
from makalu.spec.engines import Channel
from makalu.spec.errors import ErrorCode, MakaluError
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import REGISTER_BITS
from makalu.spec.sequencer import CHANNEL_OF
from makalu.sw.compile.program import Program
from makalu.sw.elements import Bits
from makalu.sw.kernel.execution import RtlRun
from makalu.sw.rtl.machine import Machine, RunResult
from makalu.sw.rtl.timing import compare, predict_run
from makalu.sw.rtl.trace import Trace
from makalu.sw.run import check_preset

__all__ = ["MARGIN", "CoreStoppedError", "run_program", "timeline_of"]

MARGIN = 2
"""A run is given up after so many times the predicted cycles, and a few thousand more."""
_SLACK = 10_000


class CoreStoppedError(MakaluError, RuntimeError):
    """A queue stopped with an error code: which, where, at which line of the kernel."""


def run_program(
    program: Program,
    inputs: Mapping[str, ArrayLike | Bits],
    config: CoreConfig,
    predicted: Timeline,
    *,
    machine: Machine | None = None,
    simulator: str | None = None,
    progress: bool = False,
) -> RtlRun:
    """Build (or reuse) the machine, run `program` to its end, compare every event with the timing model.

    `machine` is one of `config` with `observe="trace"`; by default one is made for speed on `simulator`, or on what
    suits the core's size. Errors: `CoreStoppedError`, `MachineTimeout`, `ProgramError` for another configuration.
    """
    check_preset(program, config)
    machine = machine or Machine(config=config, simulator=simulator, observe="trace", fast=True)
    check_preset(program, machine.config)
    built = machine.build(progress=progress)
    result = machine.run(
        program.image(inputs),
        program.addresses,
        max_cycles=MARGIN * predicted.cycles + _SLACK,
        random=program.random_seed,
        progress=progress,
        expected=predicted.cycles,
    )
    if result.error:
        raise CoreStoppedError(stopped(program, result))
    timeline, trace = predict_run(program, config, result, MemoryTiming.of(config.memory))
    result.discard()
    differences = compare(timeline, trace)
    return RtlRun(
        memory=result.memory,
        predicted=timeline,
        timeline=timeline_of(trace, program, timeline.start, timeline.start + result.cycles),
        simulator=machine.simulator,
        difference=max((d.cycles for d in differences), default=0),
        events=len(differences),
        build_seconds=built.seconds,
        seconds=result.seconds,
    )


def stopped(program: Program, result: RunResult) -> str:
    """What the error registers say, a sentence a queue, with the kernel's line."""
    out = []
    for queue in QUEUES:
        name = queue.name.lower()
        code = result.registers[f"{name}_error"]
        if code:
            low, high = (result.registers[f"{name}_error_{half}"] for half in ("low", "high"))
            address = low | high << REGISTER_BITS
            origin = program.origin(queue, address)
            where = "" if origin is None else f" ({origin})"
            out.append(f"{name} stopped with {ErrorCode(code).name} at {address:#x}{where}")
    return "the core stopped: " + "; ".join(out)


def timeline_of(trace: Trace, program: Program, start: int, done: int) -> Timeline:
    """The RTL's events as the timing model writes them: events of a queue or channel come in the program's order."""
    opcodes = {
        queue: [decode(stream[i : i + INSTRUCTION_BYTES]).opcode for i in range(0, len(stream), INSTRUCTION_BYTES)]
        for queue, stream in program.streams.items()
    }
    places: dict[Channel, list[int]] = {channel: [] for channel in Channel}
    for stream in opcodes.values():
        for index, opcode in enumerate(stream):
            if opcode in CHANNEL_OF:
                places[CHANNEL_OF[opcode]].append(index)
    issued = dict.fromkeys(QUEUES, 0)
    finished = dict.fromkeys(Channel, 0)
    issues, finishes = [], []
    for event in trace.issues():
        issues.append(TimelineEvent(event.cycle, event.where, event.tag, issued[event.where]))  # type: ignore[index]
        issued[event.where] += 1  # type: ignore[index]
    for event in trace.finishes():
        index = places[event.where][finished[event.where]]  # type: ignore[index]
        finishes.append(TimelineEvent(event.cycle, event.where, event.tag, index))
        finished[event.where] += 1  # type: ignore[index]
    return Timeline(start, done, issues, finishes)
