"""Control and status registers behind the AXI4-Lite port: 32 bits each, byte addresses, declared once.

Access: `ro` read only, `rw` read and write, `w1c` write 1 to clear. A write to `ro` or an unmapped address answers
SLVERR and changes nothing; so does a read of an unmapped address. Byte strobes other than all-ones answer SLVERR.
"""

from dataclasses import dataclass

from .isa import QUEUES

__all__ = ["COUNTERS", "IDENTITY", "QUEUE_STATES", "REGISTERS", "Register", "Status"]

IDENTITY = 0x4D4B_0001
"""'MK', version 1 of the register map."""

COUNTERS: tuple[str, ...] = ("busy", "stall_port", "stall_semaphore", "stall_fetch", "idle")
"""Per queue; every cycle after start counts in exactly one of them.

busy: an instruction is in the engine and no port stalls it; stall_port: an instruction is in the engine and waits for
an SBUF or PSUM port, a PSUM bank or a PSUM hazard; stall_semaphore: the engine is empty and the head instruction waits
for a semaphore; stall_fetch: the engine is empty and the queue has no decoded instruction; idle: the queue has halted.
"""

QUEUE_STATES: tuple[str, ...] = ("idle", "running", "halted", "error")


@dataclass(frozen=True)
class Register:
    name: str
    address: int
    access: str
    meaning: str


class Status:
    """Bits of `status` and `interrupt`."""

    RUNNING = 1 << 0
    DONE = 1 << 1
    ERROR = 1 << 2


def _registers() -> dict[str, Register]:
    rows = [
        Register("identity", 0x000, "ro", "IDENTITY"),
        Register("digest", 0x004, "ro", "first 32 bits of the preset's digest"),
        Register("control", 0x008, "rw", "write bit 0 = 1: start every queue whose bit is set in `enable`; reads 0"),
        Register("status", 0x00C, "ro", "bit 0 running, bit 1 done, bit 2 error"),
        Register("interrupt", 0x010, "w1c", "bit 1 done, bit 2 error; the interrupt line is high while any bit is set"),
        Register("enable", 0x014, "rw", "one bit a queue, in the order of `Queue`"),
        Register("watchdog", 0x018, "rw", "cycles without any issue or finish before waiting queues stop; 0 = off"),
        Register("cycles", 0x01C, "ro", "cycles since start until done or error"),
    ]
    for queue in QUEUES:
        base, name = 0x100 + 0x40 * queue, queue.name.lower()
        rows += [
            Register(f"{name}_address_low", base + 0x00, "rw", "byte address of the first instruction, bits 31:0"),
            Register(f"{name}_address_high", base + 0x04, "rw", "bits 63:32"),
            Register(f"{name}_state", base + 0x08, "ro", "0 idle, 1 running, 2 halted, 3 error"),
            Register(f"{name}_error", base + 0x0C, "ro", "ErrorCode"),
            Register(f"{name}_error_low", base + 0x10, "ro", "address of the instruction that failed, bits 31:0"),
            Register(f"{name}_error_high", base + 0x14, "ro", "bits 63:32"),
            Register(f"{name}_tag", base + 0x18, "ro", "trace tag of the instruction that failed"),
        ]
        rows += [
            Register(f"{name}_{c}", base + 0x20 + 4 * i, "ro", f"cycles counted as {c}") for i, c in enumerate(COUNTERS)
        ]
    return {r.name: r for r in rows}


REGISTERS: dict[str, Register] = _registers()
