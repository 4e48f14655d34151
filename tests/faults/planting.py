"""Faults planted into emitted Verilog: the RTL has no switch for them, a line of the text is replaced.

A fault says how often its line occurs, so one that no longer fits the text is an error and not a test that passes.
"""

import re
from dataclasses import dataclass

from makalu.hw.lib.emit import Emission

__all__ = ["Fault", "planted"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    line: str
    """Regular expression of the text that is replaced."""
    becomes: str
    times: int = 1
    test: str = ""
    """The cocotb test that must fail, where it is one."""
    message: str = ""
    """Regular expression of what it must say."""

    def __str__(self) -> str:
        return self.name


def planted(component, fault, *, icarus=False):
    """The Verilog of `component`, named dut, with `fault` in it."""
    text = Emission().verilog(component, name="dut", icarus=icarus)
    text, times = re.subn(fault.line, fault.becomes, text)
    assert times == fault.times, f"{fault.name}: its line occurs {times} times, not {fault.times}"
    return text
