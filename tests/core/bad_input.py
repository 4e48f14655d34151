"""A random legal program with one instruction spoilt, and what the core must show of it.

The golden machine runs the same memory image, not strictly: it says which queue stops where and why, which others
then wait for ever, and what the memory holds. With the watchdog on, those that wait stop too, so every run ends.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.machine import Machine as GoldenMachine
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import decode
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, QUEUES, Queue
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.registers import QUEUE_STATES, QueueState, Status
from makalu.sw.random_programs.program import random_program
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.trace import Event, read_trace
from tests.core.replay import check_counters

__all__ = [
    "CONFIG",
    "OUTSIDE",
    "WATCHDOG",
    "Expected",
    "SettlingMachine",
    "Spoilt",
    "check",
    "expected",
    "observed",
    "queues_of",
    "spoil",
    "spoil_first",
    "with_fields",
]

CONFIG = load_preset("tiny")
OUTSIDE = 1 << 36
"""An address that no memory image reaches; the memory answers SLVERR."""
INSTRUCTIONS = 120
LATENCY = 10
WATCHDOG = 400
"""Far above the longest legal silence behind a memory of `LATENCY`: one long transfer."""
SETTLE = 6000
"""Cycles after the first error in which everything else ends."""
MOST_CYCLES = 100_000


class SettlingMachine(Machine):
    """Goes on for `settle` cycles after the interrupt, before registers and memory are read."""

    settle = SETTLE

    def _start_script(self, programs: Mapping[Queue, int], max_cycles: int, watchdog: int) -> str:
        lines = super()._start_script(programs, max_cycles, watchdog).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("wait"))
        # the interrupt is high already: each of these takes one cycle
        return "\n".join([*lines[: at + 1], *["wait 1"] * self.settle, *lines[at + 1 :]]) + "\n"


@dataclass
class Spoilt:
    """Memory image and starts; `queue` fails at instruction `number` of its stream."""

    image: NDArray[np.uint8]
    addresses: dict[Queue, int]
    queue: Queue
    number: int
    config: CoreConfig = CONFIG


@dataclass(frozen=True)
class Expected:
    state: QueueState
    code: ErrorCode = ErrorCode.NONE
    address: int = 0
    tag: int = 0


@dataclass(frozen=True)
class Observed:
    queues: dict[Queue, Expected]
    memory: NDArray[np.uint8]
    status: int
    interrupt: int
    issues: list[Event] = field(default_factory=list)


def with_fields(data: bytes, **values: int) -> bytes:
    """An instruction with other field values; `bit<n>` sets a bit. Nothing is checked."""
    word = int.from_bytes(data, "little")
    for name, value in values.items():
        lsb, bits = (int(name[3:]), 1) if name.startswith("bit") else (FIELDS[name].lsb, FIELDS[name].bits)
        mask = ((1 << bits) - 1) << lsb
        word = word & ~mask | (value << lsb) & mask
    return word.to_bytes(INSTRUCTION_BYTES, "little")


def _place(seed: int, queue: Queue, wanted: Callable[..., bool]) -> int | None:
    """The instruction nearest to the middle of the queue's stream that is `wanted`; never the halt."""
    stream = random_program(CONFIG, seed=seed, instructions=INSTRUCTIONS, elements=8).program.streams[queue]
    count = len(stream) // INSTRUCTION_BYTES - 1
    instructions = [decode(stream[i * INSTRUCTION_BYTES : (i + 1) * INSTRUCTION_BYTES]) for i in range(count)]
    places = [i for i, instruction in enumerate(instructions) if wanted(instruction)]
    return min(places, key=lambda i: abs(i - count // 2)) if places else None


def spoil_first(
    queue: Queue,
    wanted: Callable[..., bool],
    change: Callable[[bytes], bytes],
    *,
    seed: int | None = None,
) -> Spoilt:
    """`spoil` an instruction that is `wanted`: of the random program of this seed, or of the first that has one."""
    for each in range(1, 20) if seed is None else (seed,):
        place = _place(each, queue, wanted)
        if place is not None:
            return spoil(each, queue, place, change)
    raise AssertionError(f"no program has such an instruction in {queue.name.lower()}")


def spoil(seed: int, queue: Queue, number: int, change: Callable[[bytes], bytes]) -> Spoilt:
    """Random program `seed` whose instruction `number` of `queue` is changed; its follower waits for it."""
    case = random_program(CONFIG, seed=seed, instructions=INSTRUCTIONS, elements=8)
    image, addresses = case.program.image(case.inputs), case.program.addresses
    for place, edit in ((number, change), (number + 1, lambda data: with_fields(data, after=1))):
        at = addresses[queue] + place * INSTRUCTION_BYTES
        after = edit(image[at : at + INSTRUCTION_BYTES].tobytes())
        image[at : at + INSTRUCTION_BYTES] = np.frombuffer(after, np.uint8)
    return Spoilt(image, addresses, queue, number)


def _tag(image: NDArray[np.uint8], address: int) -> int:
    lsb = FIELDS["tag"].lsb // 8
    return int.from_bytes(image[address + lsb : address + lsb + FIELDS["tag"].bits // 8].tobytes(), "little")


def expected(spoilt: Spoilt) -> tuple[dict[Queue, Expected], NDArray[np.uint8]]:
    """The golden machine's account: queues and memory."""
    result = GoldenMachine(spoilt.config, strict=False).run(spoilt.image, spoilt.addresses)
    queues = {queue: Expected(QueueState.HALTED) for queue in spoilt.addresses}
    for queue, error in result.errors.items():
        queues[queue] = Expected(QueueState.ERROR, error.code, error.address, error.tag)
    for queue, text in result.blocked.items():
        address = int(text.split()[1], 16)  # "at 0x...": where it waits
        queues[queue] = Expected(QueueState.ERROR, ErrorCode.WATCHDOG, address, _tag(spoilt.image, address))
    return queues, result.memory


def queues_of(r: Mapping[str, int], queues: Iterable[Queue]) -> dict[Queue, Expected]:
    """What the status registers say of `queues`."""
    seen = {}
    for queue in queues:
        name = queue.name.lower()
        where = r[f"{name}_error_low"] | r[f"{name}_error_high"] << 32
        state = QueueState(r[f"{name}_state"] % len(QUEUE_STATES))
        seen[queue] = Expected(state, ErrorCode(r[f"{name}_error"]), where, r[f"{name}_tag"])
    return seen


def observed(spoilt: Spoilt, machine: Machine) -> Observed:
    """The RTL's account of the same."""
    result = machine.run(
        spoilt.image,
        spoilt.addresses,
        max_cycles=MOST_CYCLES,
        memory=MemoryTiming.of(spoilt.config.memory, latency=LATENCY),
        watchdog=WATCHDOG,
    )
    r = result.registers
    check_counters(r)
    assert result.trace is not None
    issues = read_trace(result.trace, spoilt.config, machine.observe).issues()
    shutil.rmtree(result.trace.parent)
    return Observed(queues_of(r, spoilt.addresses), result.image, r["status"], r["interrupt"], issues)


def check(spoilt: Spoilt, code: ErrorCode, machine: Machine, *, issued: int | None = None) -> Observed:
    """RTL = golden for every queue and the whole memory; `code` where it was planted; nothing issued after it."""
    queues, memory = expected(spoilt)
    seen = observed(spoilt, machine)
    at = spoilt.addresses[spoilt.queue] + spoilt.number * INSTRUCTION_BYTES
    failed = seen.queues[spoilt.queue]
    assert (failed.state, failed.code, failed.address) == (QueueState.ERROR, code, at)
    assert seen.queues == queues
    wrong = np.flatnonzero(seen.memory != memory)
    assert not wrong.size, f"{wrong.size} bytes differ from golden, first at {int(wrong[0]):#x}"
    assert seen.status == Status.ERROR and seen.interrupt == Status.ERROR
    count = sum(event.where is spoilt.queue for event in seen.issues)
    assert count == (spoilt.number if issued is None else issued)
    # what the others did counts: this is no program that stops at once
    assert sum(event.where is not spoilt.queue for event in seen.issues) > len(QUEUES)
    return seen
