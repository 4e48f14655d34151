"""Instructions of one program order to queues that only share semaphores.

Each finish channel has one semaphore, its number. An instruction that another queue depends on increments it; the
dependent one waits for the count. Dependencies are read after write, write after read and write after write on words of
SBUF and on bytes of PSUM and memory. None is needed

- inside Vector and Scalar, which run one instruction at a time;
- inside Tensor, whose head keeps the order of PSUM writes;
- inside Sync (loads) and inside GpSimd (stores): each DMA direction moves its descriptors in order.

A wait is dropped when an earlier wait of the same queue implies it, also through other queues. Counters only rise.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from makalu.hw.spec.encoding import Instruction
from makalu.hw.spec.errors import MakaluError
from makalu.hw.spec.isa import FIELDS, QUEUES, WAITS, Opcode, Queue, SignalKind, WaitKind
from makalu.hw.spec.sequencer import Channel

from .lowering import Lowered, Region

__all__ = ["ScheduleError", "schedule"]

_WINDOW = 1 << (FIELDS["wait0_value"].bits - 1)
"""A counter may run ahead of a value that is waited for by less than this."""


class ScheduleError(MakaluError, RuntimeError):
    """The program cannot be expressed in waits and signals."""


Known = dict[Channel, int]
"""Instructions of each channel that are known to have finished."""


@dataclass(eq=False)
class _Node:
    lowered: Lowered
    position: int
    """In program order."""
    number: int
    """1 for the first instruction of its channel."""
    waits: dict[Channel, int] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    """What is known when this instruction issues."""


class _History:
    """Regions that were read or written, with the last instruction of interest for each."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[Region, _Node]]] = defaultdict(list)

    def touching(self, region: Region) -> list[_Node]:
        return [node for other, node in self._entries[region.memory] if other.touches(region)]

    def add(self, region: Region, node: _Node) -> None:
        """A later entry of the same channel replaces those that it covers."""
        entries = self._entries[region.memory]
        channel = node.lowered.channel
        entries[:] = [e for e in entries if not (e[1].lowered.channel == channel and region.covers(e[0]))]
        entries.append((region, node))

    def drop(self, region: Region) -> None:
        """Forget what `region` covers: who comes later depends on the instruction that overwrites it."""
        entries = self._entries[region.memory]
        entries[:] = [e for e in entries if not region.covers(e[0])]


def schedule(program: Sequence[Lowered]) -> dict[Queue, list[Instruction]]:
    """Every queue's instructions, with a final halt; tags number the program order. Errors: `ScheduleError`."""
    nodes = _dependencies(program)
    signalled: dict[Channel, list[int]] = defaultdict(list)
    for node in nodes:
        for channel, number in node.waits.items():
            signalled[channel].append(number)
    ranks = {channel: {n: i + 1 for i, n in enumerate(sorted(set(numbers)))} for channel, numbers in signalled.items()}
    for channel, ranked in ranks.items():
        if len(ranked) >= _WINDOW:
            raise ScheduleError(f"{len(ranked)} signals on channel {channel.name}; a program may have {_WINDOW - 1}")
    queues: dict[Queue, list[Instruction]] = {queue: [] for queue in QUEUES}
    for tag, node in enumerate(nodes):
        stream = queues[node.lowered.queue]
        waits = [(channel, ranks[channel][number]) for channel, number in sorted(node.waits.items())]
        while len(waits) > WAITS:
            stream.append(Instruction(Opcode.NOP, _wait_fields(waits[:WAITS])))
            waits = waits[WAITS:]
        values = {**node.lowered.values, "tag": tag & FIELDS["tag"].high, **_wait_fields(waits)}
        if node.number in ranks.get(node.lowered.channel, {}):
            values |= {"signal0_kind": int(SignalKind.INCREMENT), "signal0_semaphore": int(node.lowered.channel)}
        stream.append(Instruction(node.lowered.opcode, {k: v for k, v in values.items() if v}))
    for stream in queues.values():
        stream.append(Instruction(Opcode.HALT))
    return queues


def _wait_fields(waits: Sequence[tuple[Channel, int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for i, (channel, value) in enumerate(waits):
        out |= {f"wait{i}_kind": int(WaitKind.REACHED), f"wait{i}_semaphore": int(channel), f"wait{i}_value": value}
    return out


def _in_order(earlier: Lowered, later: Lowered) -> bool:
    """The hardware keeps these two in order without a semaphore."""
    return earlier.queue == later.queue


def _dependencies(program: Sequence[Lowered]) -> list[_Node]:
    counts: dict[Channel, int] = defaultdict(int)
    queue_known: dict[Queue, Known] = {queue: {} for queue in QUEUES}
    issued: dict[tuple[Channel, int], _Node] = {}
    reads, writes = _History(), _History()
    nodes: list[_Node] = []
    for lowered in program:
        counts[lowered.channel] += 1
        node = _Node(lowered, len(nodes), counts[lowered.channel])
        needed: Known = {}
        for region in lowered.reads:
            _need(needed, node, writes.touching(region))
        for region in lowered.writes:
            _need(needed, node, writes.touching(region))
            _need(needed, node, reads.touching(region))
        known = queue_known[lowered.queue]
        # the newest first: it often brings the others along
        for channel, number in sorted(needed.items(), key=lambda item: -issued[item].position):
            if known.get(channel, 0) < number:
                node.waits[channel] = number
                _merge(known, issued[channel, number].known)
                _merge(known, {channel: number})
        node.known = dict(known)
        issued[lowered.channel, node.number] = node
        nodes.append(node)
        for region in lowered.writes:
            reads.drop(region)
            writes.drop(region)
            writes.add(region, node)
        for region in lowered.reads:
            reads.add(region, node)
    return nodes


def _need(needed: Known, node: _Node, producers: Sequence[_Node]) -> None:
    for producer in producers:
        if not _in_order(producer.lowered, node.lowered):
            channel = producer.lowered.channel
            needed[channel] = max(needed.get(channel, 0), producer.number)


def _merge(known: Known, more: Known) -> None:
    for channel, number in more.items():
        known[channel] = max(known.get(channel, 0), number)
