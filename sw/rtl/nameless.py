"""A netlist under names that follow from its structure: a placer then gives a circuit the same place whatever its
wires are called.

nextpnr goes through cells and nets in an order that depends on their names. Two texts of one circuit that differ in a
name get different places from the same seed, 3 % apart in fmax for a PE: a change of names looked like a slower
circuit.

Colours by refinement (Weisfeiler and Leman): a net's colour is made of those of the cells and pins at it, a cell's of
its type, its parameters and the nets at its pins, round after round until no more colours come. Ports keep their names
and begin with a colour each. Cells and nets are numbered in the order of their colours. Those that have one colour in
the end are alike as far as this goes, and stay in the order in which they came.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["nameless"]

Bit = int | str
_CONSTANTS = ("0", "1", "x", "z")
_NO_CELL = "$scopeinfo"
"""Yosys keeps the names of flattened modules in cells of this type."""


def nameless(module: Mapping[str, Any]) -> dict[str, Any]:
    """A flat module of Yosys' JSON with names `c<n>`, `n<n>` and without attributes, in the order of the structure.

    Errors: none of its own; what is no such module raises KeyError.
    """
    cells = [cell for cell in module["cells"].values() if cell["type"] != _NO_CELL]
    nets, kinds = _colours(module["ports"], cells)
    order = sorted(range(len(cells)), key=lambda n: kinds[n])
    numbers: dict[Bit, Bit] = {bit: bit for bit in _CONSTANTS}
    for number, bit in enumerate(sorted((b for b in nets if b not in numbers), key=lambda b: nets[b]), start=2):
        numbers[bit] = number
    return {
        "attributes": {},
        "ports": {
            name: {"direction": port["direction"], "bits": [numbers[bit] for bit in port["bits"]]}
            for name, port in sorted(module["ports"].items())
        },
        "cells": {
            f"c{place}": {
                "hide_name": 0,
                "type": cells[n]["type"],
                "parameters": dict(sorted(cells[n]["parameters"].items())),
                "attributes": {},
                "port_directions": dict(sorted(cells[n]["port_directions"].items())),
                "connections": {
                    pin: [numbers[bit] for bit in bits] for pin, bits in sorted(cells[n]["connections"].items())
                },
            }
            for place, n in enumerate(order)
        },
        "netnames": {
            f"n{number}": {"hide_name": 0, "bits": [number], "attributes": {}}
            for number in sorted(n for n in numbers.values() if isinstance(n, int))
        },
    }


def _colours(ports: Mapping[str, Any], cells: list[dict[str, Any]]) -> tuple[dict[Bit, str], list[str]]:
    """Of every net, and of every cell."""
    nets: dict[Bit, str] = {bit: _hash("constant", bit) for bit in _CONSTANTS}
    for cell in cells:
        nets |= {bit: _hash("net") for _, bit in _pins(cell) if bit not in nets}
    for name, port in ports.items():
        for place, bit in enumerate(port["bits"]):
            nets[bit] = _hash(nets.get(bit, ""), "port", name, place)
    known, kinds = 0, [""] * len(cells)
    while (found := len(set(nets.values())) + len(set(kinds))) > known:
        known = found
        kinds = [
            _hash(cell["type"], sorted(cell["parameters"].items()), [(pin, nets[bit]) for pin, bit in _pins(cell)])
            for cell in cells
        ]
        at: dict[Bit, list[tuple[str, str]]] = defaultdict(list)
        for kind, cell in zip(kinds, cells, strict=True):
            for pin, bit in _pins(cell):
                at[bit].append((kind, pin))
        nets = {bit: colour if bit in _CONSTANTS else _hash(colour, sorted(at[bit])) for bit, colour in nets.items()}
    return nets, kinds


def _pins(cell: Mapping[str, Any]) -> Iterator[tuple[str, Bit]]:
    for pin, bits in sorted(cell["connections"].items()):
        for place, bit in enumerate(bits):
            yield f"{pin}[{place}]", bit


def _hash(*parts: Any) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
