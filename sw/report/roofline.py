"""What the core could do at most, and what the kernel did: operations a cycle over operations a byte of memory."""

from collections.abc import Sequence
from typing import Any

from .record import RunRecord
from .rows import Row

__all__ = ["roofline"]

OPERATIONS = 2
"""Of one multiply-accumulate."""


def roofline(record: RunRecord, rows: Sequence[Row]) -> dict[str, Any]:
    """Ceilings and the kernel's point; only matmuls count as operations, only the DMA's bytes as memory.

    memory_bytes_per_cycle : of the memory, reads and writes together
    port_bytes_per_cycle : of the data port in one direction
    mix_bytes_per_cycle : at most, with the kernel's share of reads and writes
    bound : operations a cycle that the kernel could reach at its intensity
    """
    config, cycles = record.config, record.timeline.cycles
    read = sum(row.bytes for row in rows if "dst" in _slots(row))
    written = sum(row.bytes for row in rows) - read
    operations = OPERATIONS * sum(row.macs for row in rows)
    memory, port = record.bytes_per_cycle, config.bus.data_bytes
    peak = OPERATIONS * config.tensor.rows * config.tensor.columns
    moved = read + written
    least = max((read + written) / memory, read / port, written / port)
    mix = moved / least if least else memory
    intensity = operations / moved if moved else None
    return {
        "operations": operations,
        "bytes_read": read,
        "bytes_written": written,
        "peak_operations_per_cycle": peak,
        "memory_bytes_per_cycle": memory,
        "port_bytes_per_cycle": port,
        "mix_bytes_per_cycle": mix,
        "intensity": intensity,
        "operations_per_cycle": operations / cycles,
        "bytes_per_cycle": moved / cycles,
        "bound": peak if intensity is None else min(peak, intensity * mix),
        "least_cycles": {"array": operations / peak, "memory": least},
    }


def _slots(row: Row) -> set[str]:
    """Operand slots that the instruction uses."""
    return {slot for slot in ("dst", "src0") if row.instruction[f"{slot}_space"]}
