"""Control and status registers behind the AXI4-Lite port: 32 bits each, byte addresses, declared once.

Access: `ro` read only, `rw` read and write, `w1c` write 1 to clear. A write to `ro` or an unmapped address answers
SLVERR and changes nothing; a read of an unmapped address answers SLVERR and 0. Byte strobes other than all-ones answer
SLVERR. A start while the core runs is ignored. A start takes place when all that was issued or asked for has finished:
after a watchdog too, so a slave that stays silent for ever needs a reset.

`watchdog` counts cycles in which no instruction issues or finishes and no engine is active and not stalled; every
running queue then stops with WATCHDOG. It must be larger than the longest pause of a healthy memory.
"""

from dataclasses import dataclass
from enum import IntEnum

from .config import CoreConfig
from .isa import QUEUES

__all__ = [
    "COUNTERS",
    "DIGEST_BITS",
    "FULL_STROBE",
    "IDENTITY",
    "QUEUE_STATES",
    "REGISTERS",
    "REGISTER_BITS",
    "REGISTER_BYTES",
    "REGISTER_MASK",
    "SEED",
    "START",
    "QueueState",
    "Register",
    "Status",
    "registers_of",
]

REGISTER_BITS = 32
"""Of every register, and of the port's data; counters wrap at 2 to the power of this."""
REGISTER_BYTES = REGISTER_BITS // 8
REGISTER_MASK = (1 << REGISTER_BITS) - 1
FULL_STROBE = (1 << REGISTER_BYTES) - 1
"""WSTRB of a write that is accepted."""

DIGEST_BITS = REGISTER_BITS
"""The register `digest` has so many of a configuration's digest, the first ones."""

IDENTITY = 0x4D4B_0002
"""'MK', version 2 of the register map: a fifth queue, which has the stores."""

START = 1 << 0
"""Bit of `control`."""

COUNTERS: tuple[str, ...] = ("busy", "stall_port", "stall_semaphore", "stall_fetch", "idle")
"""Per queue; every cycle of `cycles` counts in exactly one of them, the first that holds in this order:

busy: the queue issues, or its engine is active and not stalled;
stall_port: the engine is active and stalled (it waits for an SBUF or PSUM port, a PSUM bank or a PSUM hazard; Sync and
    GpSimd: in the cycle before, nothing of their DMA channel moved on the data bus or between SBUF and a lane, so it
    waits mostly for memory);
    or the head instruction may issue but the engine does not accept it, or its finish channel is full;
idle: the queue is not running;
stall_semaphore: the head instruction waits for a semaphore or, with `after` or as `halt`, for earlier instructions;
stall_fetch: there is no decoded instruction, or it is one that is refused in this cycle.
"""

QUEUE_STATES: tuple[str, ...] = ("idle", "running", "halted", "error")


class QueueState(IntEnum):
    """Encoding of a queue's `state` register, in the order of `QUEUE_STATES`."""

    IDLE = 0
    RUNNING = 1
    HALTED = 2
    ERROR = 3


@dataclass(frozen=True)
class Register:
    """One row of the register map."""

    name: str
    """Its key in `REGISTERS`."""
    address: int
    """Byte address on the control port, a multiple of 4."""
    access: str
    """`ro`, `rw` or `w1c`."""
    meaning: str
    """Its contents, for the register table of the docs."""


class Status:
    """Bits of `status` and `interrupt`.

    running: a start waits for the core to drain, or a queue runs. done: no queue runs, none is in error, one or more
    have halted. error: a queue is in error. `interrupt` latches the rise of done and each queue's entry into error.
    """

    RUNNING = 1 << 0
    DONE = 1 << 1
    ERROR = 1 << 2


def _registers() -> dict[str, Register]:
    rows = [
        Register("identity", 0x000, "ro", "IDENTITY"),
        Register("digest", 0x004, "ro", f"first {DIGEST_BITS} bits of the preset's digest"),
        Register("control", 0x008, "rw", "write bit 0 = 1: clear, then start every queue set in `enable`; reads 0"),
        Register("status", 0x00C, "ro", "bit 0 running, bit 1 done, bit 2 error"),
        Register("interrupt", 0x010, "w1c", "bit 1 done, bit 2 error; the interrupt line is high while any bit is set"),
        Register("enable", 0x014, "rw", "one bit a queue, in the order of `Queue`"),
        Register("watchdog", 0x018, "rw", "cycles in which nothing moves before running queues stop; 0 = off"),
        Register("cycles", 0x01C, "ro", "cycles since start in which a queue was running"),
    ]
    for queue in QUEUES:
        base, name = 0x100 + 0x40 * queue, queue.name.lower()
        rows += [
            Register(f"{name}_address_low", base + 0x00, "rw", "byte address of the program, bits 31:0"),
            Register(f"{name}_address_high", base + 0x04, "rw", "bits 63:32; those beyond the bus read 0"),
            Register(f"{name}_state", base + 0x08, "ro", "0 idle, 1 running, 2 halted, 3 error"),
            Register(f"{name}_error", base + 0x0C, "ro", "ErrorCode"),
            Register(f"{name}_error_low", base + 0x10, "ro", "address of the instruction that failed, bits 31:0"),
            Register(f"{name}_error_high", base + 0x14, "ro", "bits 63:32"),
            Register(f"{name}_tag", base + 0x18, "ro", "trace tag of the instruction that failed, 0 if not fetched"),
        ]
        rows += [
            Register(f"{name}_{c}", base + 0x20 + 4 * i, "ro", f"cycles counted as {c}") for i, c in enumerate(COUNTERS)
        ]
    return {r.name: r for r in rows}


REGISTERS: dict[str, Register] = _registers()
"""Those of every core."""
SEED = Register("seed", 0x020, "rw", "where there is stochastic rounding: all generators' first states at a start")
"""Of a core with stochastic rounding; no address of another one."""


def registers_of(config: CoreConfig) -> dict[str, Register]:
    """Those of a core, by name."""
    return REGISTERS | ({SEED.name: SEED} if config.stochastic else {})
