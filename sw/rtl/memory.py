"""How `memory.v` is told what to do: its settings as plusargs, its parameters from a configuration."""

from pathlib import Path

from makalu.spec.axi import ID_BITS
from makalu.spec.config import BusConfig
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.sw.paths import RTL_SOURCES

__all__ = ["IMAGE_UNIT", "MEMORY_SOURCE", "memory_parameters", "memory_plusargs"]

MEMORY_SOURCE: Path = RTL_SOURCES / "memory.v"
IMAGE_UNIT = 4
"""An image's size is a multiple of this [bytes]: Verilog writes binary files in words of 32 bits."""


def memory_parameters(bus: BusConfig, *, size: int) -> dict[str, int]:
    """Verilog parameters of the module `memory`; `size` in bytes is what it can hold at most."""
    return {
        "ADDRESS_BITS": bus.address_bits,
        "DATA_BYTES": bus.data_bytes,
        "INSTRUCTION_BYTES": bus.instruction_bytes,
        "ID_BITS": ID_BITS,
        "SIZE": size,
    }


def memory_plusargs(
    timing: MemoryTiming,
    *,
    size: int,
    stalls: StallProbabilities = NO_STALLS,
    image: Path | None = None,
    dump: Path | None = None,
    log: Path | None = None,
) -> list[str]:
    """Plusargs of a run; `size` bytes (a multiple of `IMAGE_UNIT`) are in range."""
    values: dict[str, object] = {
        "latency": timing.latency,
        "numerator": timing.numerator,
        "denominator": timing.denominator,
        "outstanding_reads": timing.outstanding_reads,
        "outstanding_writes": timing.outstanding_writes,
        "outstanding_instructions": timing.outstanding_instructions,
        "size": size,
        "stall_aw": stalls.aw,
        "stall_w": stalls.w,
        "stall_b": stalls.b,
        "stall_ar": stalls.ar,
        "stall_r": stalls.r,
        "stall_iar": stalls.iar,
        "stall_ir": stalls.ir,
        "stall_seed": stalls.seed,
        "image": image,
        "dump": dump,
        "log": log,
    }
    return [f"+{name}={value}" for name, value in values.items() if value is not None]
