"""A circuit is the same under any names: what the placer reads does not depend on them, and is still the circuit."""

import json
import random

import pytest

from makalu.sw.rtl.nameless import nameless

CELLS, WIDTH = 300, 16


@pytest.fixture(scope="module")
def module():
    """Tables of four inputs behind each other and flip-flops, as the placer reads them: synthesis would first compile
    itself for more than a minute.
    """
    rng = random.Random(1)
    nets, cells = list(range(2, 3 + WIDTH)), {}
    for n in range(CELLS):
        out = 3 + WIDTH + n
        if n % 4:
            kind, ins = "LUT4", dict(zip("ABCD", rng.sample(nets[1:], 4), strict=True))
            parameters = {"INIT": f"{rng.getrandbits(16):016b}"}
        else:
            kind, ins, parameters = "TRELLIS_FF", {"CLK": 2, "DI": rng.choice(nets[1:])}, {"GSR": "DISABLED"}
        pin = "Q" if kind == "TRELLIS_FF" else "Z"
        cells[f"${kind}${n}"] = {
            "type": kind,
            "parameters": parameters,
            "port_directions": {**dict.fromkeys(ins, "input"), pin: "output"},
            "connections": {**{name: [net] for name, net in ins.items()}, pin: [out]},
        }
        nets.append(out)
    ports = {"clk": {"direction": "input", "bits": [2]}, "i": {"direction": "input", "bits": nets[1 : 1 + WIDTH]}}
    return {"cells": cells, "ports": ports | {"o": {"direction": "output", "bits": nets[-WIDTH:]}}}


def renamed(module, seed):
    """Other numbers of nets, other names and another order of cells; ports as they are."""
    rng = random.Random(seed)
    places = [pin for c in module["cells"].values() for pin in c["connections"].values()]
    places += [port["bits"] for port in module["ports"].values()]
    bits = sorted({bit for place in places for bit in place if isinstance(bit, int)})
    new = dict(zip(bits, rng.sample(range(2, 10 * len(bits)), len(bits)), strict=True))
    cells = [
        {**c, "connections": {pin: [new.get(b, b) for b in at] for pin, at in c["connections"].items()}}
        for c in module["cells"].values()
    ]
    rng.shuffle(cells)
    ports = {n: {**p, "bits": [new.get(b, b) for b in p["bits"]]} for n, p in module["ports"].items()}
    return {**module, "ports": ports, "cells": {f"other{rng.random()}": cell for cell in cells}}


@pytest.mark.parametrize("seed", range(3))
def test_names_and_order_do_not_matter(module, seed):
    assert json.dumps(nameless(renamed(module, seed))) == json.dumps(nameless(module))


def test_it_is_still_the_circuit(module):
    again = nameless(nameless(module))
    assert again == nameless(module)
    kinds = sorted(c["type"] for c in module["cells"].values() if c["type"] != "$scopeinfo")
    assert sorted(c["type"] for c in again["cells"].values()) == kinds


def test_another_circuit_is_another_one(module):
    """One wire elsewhere, one bit of a table."""
    other = json.loads(json.dumps(module))
    lut = next(cell for cell in other["cells"].values() if cell["type"] == "LUT4")
    lut["connections"]["A"], lut["connections"]["B"] = lut["connections"]["B"], lut["connections"]["A"]
    assert nameless(other) != nameless(module)
    other = json.loads(json.dumps(module))
    lut = next(cell for cell in other["cells"].values() if cell["type"] == "LUT4")
    lut["parameters"]["INIT"] = lut["parameters"]["INIT"][:-1] + str(1 - int(lut["parameters"]["INIT"][-1]))
    assert nameless(other) != nameless(module)
