"""Faults planted into the RTL, which has no switch for them: a line of a module or of the emitted Verilog is replaced.

Each says how often its line occurs, so one that no longer fits the text is an error and not a test that passes.
"""

import importlib
import inspect
import re
import types
from dataclasses import dataclass

import pytest

from makalu.sw.rtl.runner import BenchFailure, have_icarus
from verif.lib.cases import case_text, find_case, run_case

__all__ = ["SIMULATOR", "Fault", "caught", "planted_class"]

SIMULATOR = "icarus" if have_icarus() else "verilator"
"""Either shows a fault; Icarus, where it is, builds faster."""


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
    soak: bool = False
    """Planted in `make soak` only."""

    def __str__(self) -> str:
        return self.name


def caught(block, name, fault, *, says, params=None):
    """The case `name` of `block` fails with `fault` in its Verilog, and says the regular expression `says`.

    Of its tests only the fault's own runs, if it names one; `params` are changes of the bench's.
    """
    case = find_case(block, name)
    text, times = re.subn(fault.line, fault.becomes, case_text(case))
    assert times == fault.times, f"{fault.name}: its line occurs {times} times, not {fault.times}"
    only = f"{fault.test}$" if fault.test else None
    with pytest.raises(BenchFailure, match=says):
        run_case(case, text=text, simulator=SIMULATOR, params=params, only=only)


def planted_class(place, old, new):
    """The class at `place` (package.module.Class below makalu.hw), from a text with `new` instead of `old`."""
    path, class_name = place.rsplit(".", 1)
    original = importlib.import_module(f"makalu.hw.{path}")
    text = inspect.getsource(original)
    assert text.count(old) == 1, f"{old} is in {path} {text.count(old)} times"
    module = types.ModuleType(original.__name__)
    exec(compile(text.replace(old, new), original.__file__, "exec"), module.__dict__)
    return getattr(module, class_name)
