"""Instructions of one program order to queues that only share semaphores.

Each finish channel has one semaphore, its number. An instruction that one of another channel depends on increments it;
the dependent one waits for the count. Dependencies are read after write, write after read and write after write on
words of SBUF, elements of PSUM and units of memory tensors (`history.py`); what the hardware keeps in order needs none
(`steps.in_order`). A wait is dropped when an earlier wait of the same queue implies it, also through other queues. More
waits than an instruction has are `nop` before it. Counters only rise, and a program may be of any length: `epochs.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.errors import MakaluError
from makalu.spec.isa import FIELDS, QUEUES, WAITS, Opcode, Queue, SignalKind, WaitKind
from makalu.spec.sequencer import CONTROL_OPCODES

from .dependencies import Knowledge, Waits
from .epochs import BARRIER, WINDOW, Boundary, Epochs
from .history import History, histories
from .steps import Step, in_order

__all__ = ["ScheduleError", "schedule"]


class ScheduleError(MakaluError, RuntimeError):
    """The program cannot be expressed in waits and signals; says which step or how many semaphores."""


def schedule(steps: Sequence[Step], config: CoreConfig, *, window: int = WINDOW) -> dict[Queue, list[Instruction]]:
    """Every queue's instructions, with a final halt; tags number the program order, modulo their field.

    Parameters
    ----------
    steps : in program order.
    config : the core; its words and the number of its semaphores count.
    window : half the range of a wait's comparison. The hardware's is the default; a smaller one, a power of two from
        8 on, is for tests and for models that compare modulo 2 * `window`.

    Does not: reorder, check instructions. Errors: `ScheduleError`.
    """
    for position, step in enumerate(steps):
        if step.opcode in CONTROL_OPCODES:
            raise ScheduleError(f"step {position} is a {step.opcode.name.lower()}, which only the scheduler adds")
    epochs = Epochs(steps, window)
    semaphores = BARRIER + 1 if epochs.boundaries else BARRIER
    if config.sequencer.semaphores < semaphores:
        raise ScheduleError(f"the program needs {semaphores} semaphores, not {config.sequencer.semaphores}")
    streams = _waits(steps, histories(steps, config), epochs)
    ranks = _ranks(streams, steps)
    return {queue: _emitted(streams[queue], ranks, 2 * window) for queue in QUEUES}


@dataclass
class _Entry:
    """A step, or a boundary of epochs, with what it waits for."""

    waits: Waits
    step: Step | None = None
    position: int = 0
    number: int = 0
    """In its channel."""
    boundary: Boundary | None = None


def _waits(steps: Sequence[Step], memories: Mapping[str, History], epochs: Epochs) -> dict[Queue, list[_Entry]]:
    streams: dict[Queue, list[_Entry]] = {queue: [] for queue in QUEUES}
    knowledge = Knowledge()
    for position, step in enumerate(steps):
        for boundary in epochs.before(position, knowledge):
            waits = knowledge.wait(boundary.queue, boundary.own)
            knowledge.learn(boundary.queue, boundary.learned)
            streams[boundary.queue].append(_Entry(waits, boundary=boundary))
        channel = step.channel
        needed: Waits = []
        for region in step.reads:
            if (history := memories.get(region.memory)) is not None:
                needed += history.before_read(region)
        for region in step.writes:
            if (history := memories.get(region.memory)) is not None:
                needed += history.before_write(region)
        waits = knowledge.wait(step.queue, [(c, n) for c, n in needed if not in_order(c, channel)])
        number = knowledge.issue(step, position)
        streams[step.queue].append(_Entry(waits, step, position, number))
        for region in step.reads:
            if (history := memories.get(region.memory)) is not None:
                history.read(region, channel, number)
        for region in step.writes:
            if (history := memories.get(region.memory)) is not None:
                history.written(region, channel, number)
    return streams


def _ranks(streams: Mapping[Queue, Sequence[_Entry]], steps: Sequence[Step]) -> dict[Channel, list[int]]:
    """ranks[channel][number]: signals up to and with that instruction; one signals when somebody waits for it."""
    signals = {channel: np.zeros(len(steps) + 1, np.int64) for channel in Channel}
    for stream in streams.values():
        for entry in stream:
            for channel, number in entry.waits:
                signals[channel][number] = 1
    return {channel: np.cumsum(flags).tolist() for channel, flags in signals.items()}


def _emitted(stream: Sequence[_Entry], ranks: Mapping[Channel, Sequence[int]], modulus: int) -> list[Instruction]:
    out: list[Instruction] = []
    for entry in stream:
        waits = [(int(channel), ranks[channel][number]) for channel, number in entry.waits]
        step, boundary = entry.step, entry.boundary
        signal = None
        if boundary is not None:
            waits += [(BARRIER, boundary.marks)] if boundary.marks else []
            signal = BARRIER
        elif step is not None and ranks[step.channel][entry.number] > ranks[step.channel][entry.number - 1]:
            signal = int(step.channel)
        while len(waits) > WAITS:
            out.append(Instruction(Opcode.NOP, _wait_fields(waits[:WAITS], modulus)))
            waits = waits[WAITS:]
        values = _wait_fields(waits, modulus)
        if signal is not None:
            values |= {"signal0_kind": int(SignalKind.INCREMENT), "signal0_semaphore": signal}
        if step is None:
            opcode = Opcode.NOP
        else:
            opcode = step.opcode
            values = {**step.values, "tag": entry.position & FIELDS["tag"].high, **values}
        out.append(Instruction(opcode, {k: v for k, v in values.items() if v}))
    return [*out, Instruction(Opcode.HALT)]


def _wait_fields(waits: Sequence[tuple[int, int]], modulus: int) -> dict[str, int]:
    out: dict[str, int] = {}
    for i, (semaphore, value) in enumerate(waits):
        out |= {
            f"wait{i}_kind": int(WaitKind.REACHED),
            f"wait{i}_semaphore": semaphore,
            f"wait{i}_value": value % modulus,
        }
    return out
