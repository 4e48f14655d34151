"""What a lane of a drawing shows of a cycle of the core's model.

A signal gives True or False, or a text where something is there and None where nothing is; of a queue's counters it
gives their values, and the drawing shows which of them counts the cycle.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

from makalu.sim_models.lockstep.run import SeenCycle
from makalu.spec.engines import ACCESS_ENGINES, Channel, Queue
from makalu.spec.frame import PHASES, SLOTS

__all__ = [
    "Signal",
    "bus",
    "commit",
    "counter",
    "decoded",
    "dma",
    "dma_word",
    "finish",
    "granted",
    "head",
    "issue",
    "line",
    "numbered",
    "offered",
    "orders",
    "owned",
    "phase",
    "port_a",
    "port_b",
    "request",
    "semaphore",
    "slot",
    "stalled",
    "tensor_stalled",
    "wave",
]

Signal = Callable[[SeenCycle], bool | str | None | dict[str, int]]

_SHORT = {"load_stationary": "load", "load_sparse": "load", "matmul": "mm", "tensor_tensor": "tt", "activation": "act"}
_SHORT |= {"dma_load": "load", "dma_store": "store"}
"""Opcodes where a cell is narrow."""


def _opcode(command: Any) -> str | None:
    return None if command is None else _SHORT.get(name := command.opcode.name.lower(), name)


# queues and semaphores


def offered(stream: str) -> Signal:
    """Opcode of the instruction that is offered to an engine."""
    return lambda seen: _opcode(seen.blocks["commands"][stream])


def decoded(queue: Queue) -> Signal:
    """Opcode at the head of a queue."""
    return lambda seen: _opcode(seen.core.instruction(seen.core.sequencer.queues[queue].word))


def issue(queue: Queue) -> Signal:
    """The queue issues."""
    return lambda seen: seen.issued(queue) is not None


def finish(channel: Channel) -> Signal:
    """An instruction finishes on the channel."""
    return lambda seen: seen.finished(channel) is not None


def semaphore(number: int) -> Signal:
    """Its value."""
    return lambda seen: str(seen.core.sequencer.semaphores[number])


def counter(queue: Queue) -> Signal:
    """The queue's counters."""
    return lambda seen: dict(seen.core.sequencer.queues[queue].counters)


# tensor engine and PSUM


def head(part: str, text: Callable[[Any], str]) -> Signal:
    """A part of what the head tells partition 0's edge."""

    def shown(seen: SeenCycle) -> str | None:
        value = getattr(seen.blocks["head"]["control"], part)
        return None if value is None else text(value)

    return shown


def wave(seen: SeenCycle) -> str | None:
    """Element that slice 0's next column goes to; + where it is added to it."""
    now = seen.blocks["head"]["wave"]
    return None if now is None else f"{'+' * now.accumulate}{now.address}"


def commit(partition: int) -> Signal:
    """Element that a PSUM slice writes."""

    def shown(seen: SeenCycle) -> str | None:
        written = seen.ports["psum"]
        return str(int(written["address"][partition])) if written["valid"][partition] else None

    return shown


def owned(bank: int) -> Signal:
    """The bank is the tensor engine's."""
    return lambda seen: bool(seen.ports["owned"] >> bank & 1)


def tensor_stalled(seen: SeenCycle) -> bool:
    """Of the head."""
    return bool(seen.blocks["head"]["stalled"])


def slot(seen: SeenCycle) -> str:
    """Of partition 0."""
    return str(seen.number % SLOTS)


# SBUF, Vector and Scalar


def _access(command: Any, valid: str) -> str | None:
    return f"{'w' if command['write'] else 'r'}{int(command['address'])}" if command[valid] else None


def request(engine: int) -> Signal:
    """What an engine asks the arbiter for: r or w, and the word."""
    return lambda seen: _access(seen.blocks["to_arbiter"]["request"][engine], "valid")


def granted(engine: int) -> Signal:
    """The arbiter grants it."""
    return lambda seen: bool(seen.blocks["arbiter"]["grant"] >> engine & 1)


def port_a(engine: int) -> Signal:
    """What an engine does with port A, in the slices that take part."""
    return lambda seen: _access(seen.blocks["arbiter"]["command"][engine], "enable")


def port_b(partition: int) -> Signal:
    """What a slice does with port B: T the tensor engine, D the DMA, and the word."""

    def shown(seen: SeenCycle) -> str | None:
        for letter, name in (("T", "tensor"), ("D", "dma")):
            access = seen.blocks["to_sbuf"][name]
            if access["enable"][partition]:
                return f"{letter}{int(access['address'][partition])}"
        return None

    return shown


def stalled(engine: str) -> Signal:
    """Of Vector or Scalar: a request is not granted."""
    number = ACCESS_ENGINES.index(engine)

    def shown(seen: SeenCycle) -> bool:
        asks, given = seen.blocks["to_arbiter"], seen.blocks["arbiter"]
        pairs = (("request", "grant"), ("psum_request", "psum_grant"))
        return any(asks[ask][number]["valid"] and not given[grant] >> number & 1 for ask, grant in pairs)

    return shown


def orders(name: str, source: int | None = None) -> Signal:
    """A strobe of what Vector tells its lanes."""

    def shown(seen: SeenCycle) -> bool:
        value = seen.blocks["engines"][0]["to_lanes"][name]
        return bool(value if source is None else value[source])

    return shown


# DMA


def bus(channel: str, text: Callable[[SeenCycle], str]) -> Signal:
    """A handshake on the data port."""

    def shown(seen: SeenCycle) -> str | None:
        moves = seen.ports[f"data__{channel}__valid"] and seen.ports[f"data__{channel}__ready"]
        return text(seen) if moves else None

    return shown


def numbered() -> Callable[[SeenCycle], str]:
    """0, 1, 2, ... of the handshakes that it is asked for."""
    numbers = count()
    return lambda seen: str(next(numbers))


def line(seen: SeenCycle) -> str | None:
    """Partition that a line of the load goes to."""
    now = seen.core.dma.load.line
    return None if now is None else f"p{now[0]}"


def phase(seen: SeenCycle) -> str:
    """Of partition 0."""
    return str(seen.number % PHASES)


def dma_word(partition: int) -> Signal:
    """The SBUF word that a DMA lane reads or writes."""

    def shown(seen: SeenCycle) -> str | None:
        access = seen.blocks["dma"]["sbuf"]
        return _access({name: access[name][partition] for name in ("enable", "write", "address")}, "enable")

    return shown


def dma(name: str) -> Signal:
    """A port of the DMA engine."""
    return lambda seen: bool(seen.blocks["dma"][name])
