"""Every instruction of a run with its times, sizes, kernel line and reasons: what all parts of a report are made of."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import PurePath

from makalu.sim_models.timing.waits import Wait, Work
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.isa import AP_DIMS, FIELDS, INSTRUCTIONS, Opcode, Queue
from makalu.spec.sequencer import CHANNEL_OF
from makalu.spec.tensor_modes import MODES, Mode

from .record import RunRecord
from .sites import short_sites

__all__ = ["Key", "Row", "rows_of"]

Key = tuple[Queue, int]
"""An instruction: its queue, and how many the queue issued before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One instruction; `nop` and `halt` have no channel and finish as they issue."""

    queue: Queue
    index: int
    number: int | None
    """In program order, from the tag; None for what the scheduler added."""
    instruction: Instruction
    channel: Channel | None
    call: str
    """The kernel's call, such as `nisa.nc_matmul`, or the opcode where that is not known."""
    site: str
    """The kernel's line, "file:line", or nothing."""
    issue: int
    finish: int
    begin: int
    """The issue, or the finish before it in its channel where that is later: `begin` to `finish` never overlap."""
    size: str
    bytes: int
    """Moved from or to memory."""
    macs: int
    """Multiply-accumulates."""
    waits: tuple[Wait, ...]
    work: Work | None

    @property
    def key(self) -> Key:
        return self.queue, self.index

    @property
    def busy(self) -> int:
        """Cycles in which the channel works on it, and not on the one before."""
        return self.finish - self.begin

    @property
    def waited(self) -> int:
        return sum(wait.cycles for wait in self.waits)

    @property
    def name(self) -> str:
        """Line and call, short."""
        return f"{PurePath(self.site).name} {self.call}" if self.site else self.call


def rows_of(record: RunRecord) -> list[Row]:
    """By issue, then by queue."""
    program, timeline = record.program, record.timeline
    finishes = {(event.where, event.index): event.cycle for event in timeline.finishes}
    waits: Mapping[Key, list[Wait]] = defaultdict(list)
    for wait in timeline.waits:
        waits[wait.queue, wait.index].append(wait)
    works = {(work.queue, work.index): work for work in timeline.work}
    executed = {queue: program.steps(queue) for queue in program.streams}
    names = short_sites(line.site for line in program.lines)
    free: dict[Channel, int] = {}
    numbers: dict[Queue, int] = {}
    out = []
    for event in sorted(timeline.issues, key=lambda e: (e.cycle, e.where)):
        queue = Queue(event.where)
        key = queue, event.index
        address, instruction = next(executed[queue])
        channel = CHANNEL_OF.get(instruction.opcode)
        finish, number = event.cycle, None
        if channel is not None:
            finish = finishes[channel, event.index]
            number = numbers[queue] = _unwrapped(instruction["tag"], numbers.get(queue, 0))
        origin = program.origin(queue, address)
        size, memory_bytes, macs = _sizes(instruction)
        out.append(
            Row(
                queue=queue,
                index=event.index,
                number=number,
                instruction=instruction,
                channel=channel,
                call=instruction.opcode.name.lower() if origin is None else origin.call,
                site="" if origin is None else names.get(origin.site, ""),
                issue=event.cycle,
                finish=finish,
                begin=event.cycle if channel is None else max(event.cycle, free.get(channel, event.cycle)),
                size=size,
                bytes=memory_bytes,
                macs=macs,
                waits=tuple(waits[key]) if key in waits else (),
                work=works.get(key),
            )
        )
        if channel is not None:
            free[channel] = finish
    return out


def _unwrapped(tag: int, before: int) -> int:
    """The number that ends in `tag` and does not lie before the queue's last: tags have 16 bits."""
    modulus = FIELDS["tag"].high + 1
    return before + (tag - before) % modulus


def _sizes(instruction: Instruction) -> tuple[str, int, int]:
    """(text, memory bytes, multiply-accumulates)."""
    spec = INSTRUCTIONS[instruction.opcode]
    if not spec.operands:
        return "", 0, 0
    slot = "src0" if instruction.opcode is Opcode.MATMUL or "dst" not in spec.operands else "dst"
    lanes = instruction[spec.operands[slot].count]
    elements = prod(instruction[f"{slot}_size{d}"] for d in range(AP_DIMS))
    if instruction.opcode is Opcode.MATMUL:
        columns = instruction["columns"]
        if MODES[Mode(instruction["mode"])].tagged:  # a weight meets one of the elements in dimension 3
            elements //= instruction[f"{slot}_size{AP_DIMS - 1}"]
        return f"{lanes} x {columns} x {elements}", 0, lanes * columns * elements
    moved = lanes * elements * FORMAT_OF_CODE[instruction[f"{slot}_dtype"]].bytes if "address" in spec.fields else 0
    return f"{lanes} x {elements}", moved, 0
