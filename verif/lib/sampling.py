"""Reset, driving and sampling of a bench: everything happens right after the rising edge."""

from collections.abc import Iterable, Mapping
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

__all__ = ["drive", "known", "reset", "sample", "start_clock", "with_unknown"]

PERIOD_NS = 10
RESET_CYCLES = 3
_UNKNOWN_TO_0 = str.maketrans("XZxz", "0000")
_UNKNOWN_TO_1 = str.maketrans("01XZxz", "001111")


def start_clock(dut: Any) -> None:
    Clock(dut.clk, PERIOD_NS, unit="ns").start()


async def reset(dut: Any, inputs: Mapping[str, int]) -> None:
    """Hold reset with `inputs` driven; on return the first cycle after reset begins, with the same inputs."""
    dut.rst.value = 1
    drive(dut, inputs)
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0


def drive(dut: Any, inputs: Mapping[str, int]) -> None:
    for name, value in inputs.items():
        dut[name].value = value


def sample(dut: Any, names: Iterable[str]) -> dict[str, int | None]:
    """Values just before the edge that was awaited; `None` where a bit is X or Z."""
    return {name: known(dut[name]) for name in names}


def known(port: Any) -> int | None:
    """Value of a port; `None` where a bit is X or Z.

    By the simulator's text, not by cocotb's objects of values and bits: they were a quarter of a bench's time.
    """
    try:
        return int(_text(port), 2)
    except ValueError:
        return None


def with_unknown(port: Any) -> tuple[int, int]:
    """Value of a port with 0 for X and Z, and the mask of those bits."""
    text = _text(port)
    return int(text.translate(_UNKNOWN_TO_0), 2), int(text.translate(_UNKNOWN_TO_1), 2)


def _text(port: Any) -> str:
    """The port's bits, the highest first."""
    return str(port._handle.get_signal_val_binstr())
