"""Long work says how far it is: counts from the models, and a bar of them on a terminal only."""

import io

import numpy as np
import pytest
from rich.console import Console

from makalu.examples.copy.copy import copy
from makalu.spec.preset import load_preset
from makalu.sw.cli.stage_bars import stage_bars
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.kernel.execution import Backend, execute
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec

TINY = load_preset("tiny")
PROGRAM = compile_kernel(copy, TINY, x=TensorSpec((4, 300 * 8), nl.bfloat16), columns=8)
INPUTS = {"x": np.zeros((4, 300 * 8), np.float32)}


def test_both_models_count_instructions():
    heard = []
    execute(PROGRAM, INPUTS, TINY, Backend.GOLDEN, report=lambda *what: heard.append(what))
    assert PROGRAM.instructions > 600 and {total for _, _, total in heard} == {PROGRAM.instructions}
    for stage in ("timing model", "golden model"):
        counts = [done for name, done, _ in heard if name == stage]
        assert counts[0] == 0 and counts == sorted(set(counts)) and len(counts) == 1 + PROGRAM.instructions // 256
        assert all(abs(done - 256 * n) < 8 for n, done in enumerate(counts))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_on_a_terminal_only(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with stage_bars(console) as report:
        execute(PROGRAM, INPUTS, TINY, Backend.GOLDEN, report=report)
        report("RTL", 0, 0)
        console.print("another bar")
    text = console.file.getvalue()
    assert (f"of {PROGRAM.instructions} instructions" in text) is terminal
    if not terminal:
        assert text.split("\n") == ["timing model", "golden model", "RTL", "another bar", ""]


def test_an_error_takes_the_bar_away():
    console = Console(file=io.StringIO(), force_terminal=True)
    with pytest.raises(RuntimeError), stage_bars(console) as report:
        report("timing model", 0, 5)
        raise RuntimeError
    with console.status("no other live display is in the way"):
        pass
