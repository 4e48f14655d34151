"""Reset, driving and sampling of a bench: everything happens right after the rising edge."""

from collections.abc import Iterable, Mapping
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

__all__ = ["drive", "reset", "sample", "start_clock"]

PERIOD_NS = 10
RESET_CYCLES = 3


def start_clock(dut: Any) -> None:
    Clock(dut.clk, PERIOD_NS, unit="ns").start()


async def reset(dut: Any, inputs: Mapping[str, int]) -> None:
    """Hold reset with `inputs` driven; on return the first cycle after reset has begun."""
    dut.rst.value = 1
    drive(dut, inputs)
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


def drive(dut: Any, inputs: Mapping[str, int]) -> None:
    for name, value in inputs.items():
        dut[name].value = value


def sample(dut: Any, names: Iterable[str]) -> dict[str, int | None]:
    """Values just before the edge that was awaited; `None` where a bit is X or Z."""
    out: dict[str, int | None] = {}
    for name in names:
        value = dut[name].value
        out[name] = int(value) if value.is_resolvable else None
    return out
