"""Faults planted into the RTL, which has no switch for them: a line of a module or of the emitted Verilog is replaced.

Each says how often its line occurs, so one that no longer fits the text is an error and not a test that passes.
"""

import importlib
import inspect
import re
import types
from dataclasses import dataclass

from makalu.hw.lib.emit import Emission

__all__ = ["Fault", "planted", "planted_class"]


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


def planted_class(place, old, new):
    """The class at `place` (package.module.Class below makalu.hw), from a text with `new` instead of `old`."""
    path, class_name = place.rsplit(".", 1)
    original = importlib.import_module(f"makalu.hw.{path}")
    text = inspect.getsource(original)
    assert text.count(old) == 1, f"{old} is in {path} {text.count(old)} times"
    module = types.ModuleType(original.__name__)
    exec(compile(text.replace(old, new), original.__file__, "exec"), module.__dict__)
    return getattr(module, class_name)
