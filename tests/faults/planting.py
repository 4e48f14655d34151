"""Faults planted into the RTL, which has no switch for them: a line of a module or of the emitted Verilog is replaced.

Each says how often its line occurs, so one that no longer fits the text is an error and not a test that passes.
"""

import importlib
import inspect
import re
import types
from dataclasses import dataclass

import pytest

from makalu.sw.rtl.kept_text import component_text
from makalu.sw.rtl.runner import BenchFailure, cocotb_bench, have_icarus

__all__ = ["Fault", "caught", "planted_class"]


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


def caught(component, fault, *, module, says, params, inner=None):
    """The cocotb `module` fails on `component` with `fault` in its Verilog, and says the regular expression `says`.

    Of a module's tests only the fault's own runs, if it names one. Either simulator shows the fault; Icarus, where it
    is, builds faster.
    """
    simulator = "icarus" if have_icarus() else "verilator"
    text = component_text(component, name="dut")
    text, times = re.subn(fault.line, fault.becomes, text)
    assert times == fault.times, f"{fault.name}: its line occurs {times} times, not {fault.times}"
    with pytest.raises(BenchFailure, match=says):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"fault-{module.rsplit('.', 1)[1]}",
            test_module=module,
            simulator=simulator,
            params=params,
            inner=inner,
            test_filter=f"{fault.test}$" if fault.test else None,
        )


def planted_class(place, old, new):
    """The class at `place` (package.module.Class below makalu.hw), from a text with `new` instead of `old`."""
    path, class_name = place.rsplit(".", 1)
    original = importlib.import_module(f"makalu.hw.{path}")
    text = inspect.getsource(original)
    assert text.count(old) == 1, f"{old} is in {path} {text.count(old)} times"
    module = types.ModuleType(original.__name__)
    exec(compile(text.replace(old, new), original.__file__, "exec"), module.__dict__)
    return getattr(module, class_name)
