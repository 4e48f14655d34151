"""What the packaged Yosys does for `makalu mutate`: lists, texts and proofs; and a small block to its figures."""

import json

import pytest
from rich.console import Console

from makalu.sw.cli import mutate as mutate_module
from makalu.sw.cli.conclusion import MissedError
from makalu.sw.cli.mutate import mutate
from makalu.sw.paths import ROOT
from makalu.sw.rtl.equal import is_equal
from makalu.sw.rtl.mutants import Mutant, mutated
from tests.sw.test_mutate import BLOCK
from verif.emit.nest import Row
from verif.lib import cases


def test_all_mutants_are_in_one_text():
    made = mutated(Row(cells=2), top="dut", parts=("StepCell",), count=5, seed=1)
    assert [each.number for each in made.mutants] == [1, 2, 3, 4, 5]
    assert {each.part for each in made.mutants} == {"StepCell"} and all("clk" not in each.name for each in made.mutants)
    assert all(each.sources[-1].startswith("verif/emit/nest.py:") and each.lines[-1] for each in made.mutants)
    assert made.verilog.count('$value$plusargs("mutant=%d", mutant)') == 1
    assert all(f"mutant == 12'h{number:03x}" in made.verilog for number in range(1, 6))
    assert str(ROOT) not in made.verilog
    other = mutated(Row(cells=2), top="dut", parts=("StepCell",), count=5, seed=2)
    assert [each.name for each in other.mutants] != [each.name for each in made.mutants]


def cell(kind, inputs, output):
    """Of Yosys' JSON, one bit wide."""
    wires = {**inputs, ("Q" if kind == "$dff" else "Y"): output}
    ways = {port: "output" if port in "QY" else "input" for port in wires}
    names = [name for port in inputs if port in "AB" for name in (f"{port}_SIGNED", f"{port}_WIDTH")]
    sizes = {"$dff": ("CLK_POLARITY", "WIDTH"), "$mux": ("WIDTH",)}.get(kind, (*names, "Y_WIDTH"))
    parameters = {name: "0" if name.endswith("SIGNED") else "1" for name in sizes}
    connections = {port: [wire] for port, wire in wires.items()}
    return {"type": kind, "parameters": parameters, "port_directions": ways, "connections": connections}


MUTANT = Mutant(number=1, module="lane", part="Lane", mode="inv", port="A", bit=0)


@pytest.mark.parametrize(("kind", "equal"), [("$or", True), ("$xor", False)])
def test_what_changes_nothing_is_proved(kind, equal):
    """The register takes `a | a & x` or `a ^ a & x`; the mutant holds x, otherwise b, at 1."""
    ports = {"mutant": 2, "a": 3, "b": 4, "o": 5, "clk": 6}
    cells = {
        "fault": cell("$mux", {"A": 4, "B": "1", "S": 2}, 7),
        "inner": cell("$and", {"A": 3, "B": 7}, 8),
        "outer": cell(kind, {"A": 3, "B": 8}, 9),
        "kept": cell("$dff", {"D": 9, "CLK": 6}, 5),
    }
    module = {
        "ports": {n: {"direction": "output" if n == "o" else "input", "bits": [b]} for n, b in ports.items()},
        "cells": cells,
    }
    assert is_equal({"lane": module}, MUTANT) == equal


@pytest.mark.parametrize(("kind", "equal"), [("$or", True), ("$xor", False)])
def test_what_is_used_nowhere_is_proved(kind, equal):
    """As above, but the mutant is in a module without a state, whose own output does change."""
    ways = {"mutant": "input", "a": "input", "b": "input", "y": "output"}
    part = {
        "ports": {name: {"direction": way, "bits": [n]} for n, (name, way) in enumerate(ways.items(), start=2)},
        "cells": {
            "fault": cell("$mux", {"A": 4, "B": "1", "S": 2}, 7),
            "inner": cell("$and", {"A": 3, "B": 7}, 5),
        },
        "netnames": {},
    }
    ports = {"mutant": 2, "a": 3, "b": 4, "o": 5, "clk": 6}
    inner = {"mutant": [2], "a": [3], "b": [4], "y": [8]}
    whole = {
        "ports": {n: {"direction": "output" if n == "o" else "input", "bits": [b]} for n, b in ports.items()},
        "cells": {
            "part": {"type": "lane", "parameters": {}, "port_directions": ways, "connections": inner},
            "outer": cell(kind, {"A": 3, "B": 8}, 9),
            "kept": cell("$dff", {"D": 9, "CLK": 6}, 5),
        },
        "netnames": {},
    }
    assert is_equal({"lane": part, "whole": whole}, MUTANT) == equal


@pytest.mark.icarus
def test_a_small_block_from_its_text_to_the_figures(tmp_path, monkeypatch):
    """Every mutant of the cells' sums is seen; what ran is not run again; a survivor that nobody explains is named."""
    console = Console(record=True, width=200)

    def run(block=BLOCK, **options):
        mutate([block], cases, console, every=1, folder=tmp_path, **options)

    run(count=4)
    (path,) = (tmp_path / "mutate").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["killed"] for line in lines] == [False, True, True, True, True]
    assert all("test_emit" in line["seen"] for line in lines[1:])
    record = json.loads((tmp_path / "results/mutate.json").read_text())
    values = {figure["name"]: figure["value"] for figure in record["figures"]}
    assert (values["emitted_killed"], values["score"], values["unreviewed"]) == (4, 1.0, 0)
    monkeypatch.setattr(cases, "run_case", lambda *_, **__: 1)  # from here on every bench passes
    run(count=4)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(MissedError, match=r"score is 0\.75"):
        run(count=4)
    monkeypatch.setattr(mutate_module, "COUNT", 4)
    with pytest.raises(MissedError, match=r"score is 0\.75, must be 0\.98; unreviewed is 1, must be 0"):
        run(count=4)
    text = console.export_text()
    assert (
        f"alive, without a reason: {lines[-1]['name']}" in text
        and "emitted: 3 killed, 1 alive, 0 equivalent: 75.0%" in text
    )
