"""A module around one cell, as Yosys writes it, and values for its inputs.

Operands come in three ways. "plain": each is an input. "gathered": each is a concatenation of slices of some inputs,
constants and repeated bits, the inputs cut at odd places. "registered": such a concatenation goes through a register
first, so that the cell has a value of the next cycle. The output is read whole, in slices, and mixed with other bits.
"""

import random
from collections.abc import Sequence
from typing import Any

from tests.rtl.lanes.cell_bench import INSTANCES, Case
from tests.rtl.lanes.cell_kinds import CellKind, Kind, MemoryKind
from tests.rtl.lanes.stimulus import operands, word

__all__ = ["VARIANTS", "Bits", "Builder", "case", "parameters"]

VARIANTS = ("plain", "gathered", "registered")
Bits = list[int | str]


def binary(value: int, width: int = 32) -> str:
    return format(value & ((1 << width) - 1), f"0{width}b")


class Builder:
    """A module's JSON. `origin` is the input bit that a bit comes from, through registers."""

    def __init__(self) -> None:
        self.module: dict[str, Any] = {"ports": {}, "cells": {}, "netnames": {}}
        self.origin: dict[int | str, tuple[str, int]] = {}
        self.widths: dict[str, int] = {}
        self.cuts: dict[str, set[int]] = {}
        self._count = 1
        for port in ("clk", "rst"):
            self.module["ports"][port] = {"direction": "input", "bits": self.wire(1)}

    def wire(self, width: int) -> Bits:
        self._count += width
        return list(range(self._count - width + 1, self._count + 1))

    def input(self, name: str, width: int, *cuts: int) -> Bits:
        bits = self.wire(width)
        self.module["ports"][name] = {"direction": "input", "bits": bits}
        self.origin |= {bit: (name, i) for i, bit in enumerate(bits)}
        self.widths[name], self.cuts[name] = width, {cut for cut in cuts if 0 < cut < width}
        return bits

    def output(self, name: str, bits: Sequence[int | str]) -> None:
        self.module["ports"][name] = {"direction": "output", "bits": list(bits)}

    def cell(self, name: str, type_: str, parameters: dict[str, int | str], **connections: Sequence[int | str]) -> None:
        texts = {key: binary(value) if isinstance(value, int) else value for key, value in parameters.items()}
        connected = {port: list(bits) for port, bits in connections.items()}
        self.module["cells"][name] = {"type": type_, "parameters": texts, "attributes": {}, "connections": connected}

    def register(self, name: str, data: Sequence[int | str]) -> Bits:
        q = self.wire(len(data))
        parameters = {"CLK_POLARITY": 1, "WIDTH": len(data)}
        self.cell(name, "$dff", parameters, CLK=self.module["ports"]["clk"]["bits"], D=data, Q=q)
        self.origin |= {mine: self.origin[bit] for mine, bit in zip(q, data, strict=True) if bit in self.origin}
        return q


def parameters(kind: CellKind) -> dict[str, int]:
    """Parameters of a cell, as Yosys names them."""
    if kind.type in ("$mux", "$pmux"):
        return {"WIDTH": kind.y} | ({"S_WIDTH": kind.s} if kind.type == "$pmux" else {})
    out = {"A_SIGNED": int(kind.a_signed), "A_WIDTH": kind.a, "Y_WIDTH": kind.y}
    return out | ({"B_SIGNED": int(kind.b_signed), "B_WIDTH": kind.b} if kind.b or kind.b_constant else {})


def gathered(r: random.Random, sources: Sequence[Bits], width: int) -> Bits:
    """Slices of sources, constants, and bits that are repeated, as a sign is."""
    out: Bits = []
    while len(out) < width:
        source, way = r.choice(sources), r.random()
        low = r.randrange(len(source))
        if (way < 0.75 and len(source) > 1) or width == 1:
            out += source[low : low + r.choice((3, 8, 31, 32, 33, 64, 130))]
        elif way < 0.8:
            out += r.choices("01", k=r.randint(1, 6))
        else:
            out += [source[low]] * r.randint(1, 5 if len(source) > 1 else 40)
    if width > 2 and r.random() < 0.2:
        out[width - 1] = out[width - 2]
    return out[:width]


def _read(r: random.Random, b: Builder, y: Bits, others: Bits) -> None:
    """Outputs that show all of `y` and parts of it."""
    b.output("y", y)
    if len(y) > 1:
        low = r.randrange(len(y))
        b.output("slice", y[low : low + r.choice((1, 7, 32))])
        b.output("mixed", (y[len(y) // 2 :] + others[:3] + ["1", "0"] + y[: len(y) // 2])[: r.choice((20, 32, 77))])


def _ways(b: Builder, bits: Bits) -> list[tuple[str, int, int, int]]:
    """(input, its first bit, first bit here, mask) of the runs of input bits that an operand is made of."""
    out: list[tuple[str, int, int, int]] = []
    for i, bit in enumerate(bits):
        if bit in b.origin:
            port, at = b.origin[bit]
            last = out[-1] if out else ("", 0, 0, 0)
            if last[0] == port and at - last[1] == i - last[2] == last[3].bit_length():
                out[-1] = (*last[:3], last[3] << 1 | 1)
            else:
                out.append((port, at, i, 1))
    return out


def _assign(values: dict[str, int], ways: list[tuple[str, int, int, int]], wanted: int) -> None:
    for port, at, i, mask in ways:
        values[port] = values[port] & ~(mask << at) | (wanted >> i & mask) << at


def case(kind: Kind, variant: str = "", *, cycles: int) -> Case:
    """The module of a kind with its stimulus, the same each time. Without a variant the kind has one of its own."""
    variant = variant or random.Random(str(kind)).choice(VARIANTS)
    name = f"{kind} ({variant})"
    make = _memory if isinstance(kind, MemoryKind) else _cell
    return make(random.Random(name), kind, variant, name, cycles)


def _cell(r: random.Random, kind: CellKind, variant: str, name: str, cycles: int) -> Case:
    b = Builder()
    widths = {"A": kind.a, "B": kind.b, "S": kind.s}
    widest = max(kind.a, kind.b)
    sources = []
    if variant != "plain":
        sources = [b.input("p", widest + 3, r.randrange(widest), 5, 37), b.input("q", 37, 20), b.input("o", 1)]
    connections: dict[str, Bits] = {}
    start: dict[str, int] = {}
    for port, width in widths.items():
        # its values are not free
        direct = (port == "S" and kind.type == "$pmux") or (port == "B" and kind.type == "$shiftx")
        if constant := kind.constants.get(port):
            connections[port] = list(constant.strip("-"))
        elif width:
            direct |= variant == "plain"
            bits = b.input(port.lower(), width) if direct else gathered(r, sources, width)
            if variant == "registered":
                bits = b.register(f"register {port}", bits)
                start[f"register {port}"] = 0 if direct else width
            connections[port] = bits
    if kind.type == "$dff":
        y = b.register("cell", connections["A"])
        start["cell"] = kind.y
    else:
        y = b.wire(kind.y)
        b.cell("cell", kind.type, parameters(kind), **connections, Y=y)
    _read(r, b, y, [bit for bits in connections.values() for bit in bits])
    ways = {port: _ways(b, bits) for port, bits in connections.items()}
    stimulus = []
    for _ in range(INSTANCES):
        stimulus.append([])
        for _ in range(cycles):
            values = {port: r.getrandbits(width) for port, width in b.widths.items()}
            for port, wanted in operands(r, kind).items():
                _assign(values, ways.get(port, []), wanted)
            stimulus[-1].append(values)
    starts = [{key: word(r, width) for key, width in start.items()} for _ in range(INSTANCES)]
    later = tuple(port for port, what in b.module["ports"].items() if what["direction"] == "output") if start else ()
    return Case(name, b.module, stimulus, starts, cuts=b.cuts, later=later if variant == "registered" else ())


def _memory(r: random.Random, kind: MemoryKind, variant: str, name: str, cycles: int) -> Case:
    b = Builder()
    clk = b.module["ports"]["clk"]["bits"]
    reads, start = len(kind.clocked), {}
    sources = [b.input("p", kind.width + 5, r.randrange(kind.width), 9), b.input("q", 37, 20), b.input("o", 1)]
    fields: dict[str, Bits] = {"RD_ADDR": [], "RD_EN": [], "RD_DATA": b.wire(reads * kind.width)}
    fields |= {"WR_ADDR": [], "WR_EN": [], "WR_DATA": []}
    later = []
    for k, clocked in enumerate(kind.clocked):
        address = b.input(f"read{k}", kind.address)
        registered = variant == "registered" and not clocked
        fields["RD_ADDR"] += b.register(f"address{k}", address) if registered else address
        fields["RD_EN"] += b.input(f"enable{k}", 1) if clocked else ["1"]
        y = fields["RD_DATA"][k * kind.width : (k + 1) * kind.width]
        b.output(f"y{k}", y)
        b.output(f"half{k}", y[kind.width // 2 :])
        start |= {f"address{k}": 0} if registered else {f"cell.{k}": kind.width} if clocked else {}
        later += [f"y{k}"] if registered or clocked else []
    for k in range(kind.writes):
        fields["WR_ADDR"] += b.input(f"write{k}", kind.address)
        data = b.input(f"data{k}", kind.width)
        fields["WR_DATA"] += data if variant == "plain" else gathered(r, [data, *sources], kind.width)
        grains = b.input(f"grains{k}", kind.grains)
        fields["WR_EN"] += [bit for bit in grains for _ in range(kind.width // kind.grains)]
    mask = sum(clocked << k for k, clocked in enumerate(kind.clocked))
    init = binary(r.getrandbits(kind.size * kind.width), kind.size * kind.width) if kind.starts else "x"
    parameters = {"ABITS": kind.address, "SIZE": kind.size, "WIDTH": kind.width, "INIT": init, "OFFSET": 0}
    parameters |= {"RD_PORTS": reads, "RD_CLK_ENABLE": binary(mask, reads), "RD_CLK_POLARITY": "1" * reads}
    parameters |= {"WR_PORTS": kind.writes, "WR_CLK_ENABLE": "1" * kind.writes, "WR_CLK_POLARITY": "1" * kind.writes}
    parameters |= dict.fromkeys(("RD_TRANSPARENCY_MASK", "WR_PRIORITY_MASK", "RD_WIDE_CONTINUATION"), "0" * reads)
    clocks = {"RD_CLK": clk * reads, "WR_CLK": clk * kind.writes, "RD_ARST": "0" * reads, "RD_SRST": "0" * reads}
    b.cell("cell", "$mem_v2", parameters, **fields, **clocks)
    places = [0, kind.size - 1, r.randrange(kind.size), r.randrange(kind.size)]
    stimulus: list[list[dict[str, int]]] = [[] for _ in range(INSTANCES)]
    for _ in range(cycles):
        common = {port: r.choice(places) for port in b.widths if r.random() < 0.4}  # the same in all lanes
        for lane in stimulus:
            values = {port: word(r, width) for port, width in b.widths.items()}
            for port in values:
                if port.startswith(("read", "write")):
                    values[port] = common.get(port, r.choice(places))
                if port.startswith("write") and r.random() < 0.1:
                    values[port] = r.getrandbits(kind.address)  # perhaps beyond the last word
            if kind.writes == 2 and values["write0"] == values["write1"]:
                values["grains1"] = 0
            lane.append(values)
    starts = [{key: word(r, width) for key, width in start.items()} for _ in range(INSTANCES)]
    return Case(name, b.module, stimulus, starts, cuts=b.cuts, later=tuple(later))
