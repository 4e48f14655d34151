"""One module of the netlist as nets: what drives a bit, where a net is cut into words, what it depends on.

A *net* is the bits that one thing drives: an input port, an output of a box (a placed module that is a class of its
own), a register, a read port of a memory, a cell. Structs arrive as wide registers and multiplexers; they are cut where
what is concatenated in them meets, so that most slices and concatenations cost nothing in the generated code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from makalu.sw.rtl.lanes.nets import Bit, Memory, Net, NetlistError, Run, extended

__all__ = ["BITWISE", "Assertion", "Netlist"]

BITWISE = frozenset({"$and", "$or", "$xor", "$xnor", "$not", "$mux", "$pmux"})
COMPARE = frozenset({"$eq", "$ne", "$eqx", "$nex", "$lt", "$le", "$gt", "$ge"})
ARITHMETIC = frozenset({"$add", "$sub", "$mul", "$neg", "$pos"})
SHIFTS = frozenset({"$shl", "$sshl", "$shr", "$sshr", "$shift", "$shiftx"})
REDUCTIONS = frozenset(
    {"$reduce_and", "$reduce_or", "$reduce_xor", "$reduce_xnor", "$reduce_bool", "$logic_not", "$logic_and"}
    | {"$logic_or"}
)
KNOWN = BITWISE | COMPARE | ARITHMETIC | SHIFTS | REDUCTIONS
_SILENT = frozenset({"$scopeinfo"})
CLOCK, RESET = "clk", "rst"


def _boundaries(runs: Sequence[Run]) -> set[int]:
    """Where the runs' nets, or their parts, meet."""
    out = {run.at for run in runs if run.at}
    for run in runs:
        if run.net is not None:
            out |= {run.at + c - run.low for c in run.net.cuts if run.low < c < run.low + run.width}
    return out


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(str(value).replace("x", "0").replace("z", "0") or "0", 2)


@dataclass(frozen=True)
class Assertion:
    """In every cycle `holds` is 1; `text` says what that means."""

    text: str
    holds: Bit


class Netlist:
    """A module of Yosys' JSON, flat but for its boxes, with `rst` low: registers start at their reset values.

    `boxes`: input/output of each port of the modules that stay apart. Errors: `NetlistError` for a second clock, a
    latch, a tristate, a cell that is not known, a combinational loop, a memory port beyond what is built.
    """

    def __init__(self, name: str, module: Mapping[str, Any], boxes: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name
        self.inputs: dict[str, Net] = {}
        self.outputs: dict[str, list[Bit]] = {}
        self.boxes: dict[str, tuple[str, dict[str, list[Bit]]]] = {}
        """Module and connected bits of each box."""
        self.box_outputs: dict[tuple[str, str], Net] = {}
        self.registers: list[Net] = []
        self.memories: list[Memory] = []
        self.assertions: list[Assertion] = []
        self.cells: list[Net] = []
        self.netnames: Mapping[str, Any] = module["netnames"]
        self._driver: dict[Bit, tuple[Net, int]] = {}
        self._source: dict[int, tuple[Net, int] | str] = {}
        self._cones: dict[Net, frozenset[Net]] = {}
        self._clock: Bit | None = None
        self._reset: Bit | None = None
        for port, what in module["ports"].items():
            if port in (CLOCK, RESET):
                setattr(self, f"_{'clock' if port == CLOCK else 'reset'}", what["bits"][0])
            elif what["direction"] == "input":
                self.inputs[port] = net = Net("input", len(what["bits"]), port)
                self._drive(net, what["bits"])
            elif what["direction"] == "output":
                self.outputs[port] = what["bits"]
            else:
                raise NetlistError(f"{name} must have inputs and outputs only, not {port} ({what['direction']})")
        for cell_name, cell in module["cells"].items():
            self._cell(cell_name, cell, boxes)
        self._inits()
        self._resets()
        self.used = self._used()
        """Bits of inputs and box outputs that cells, registers and memories of this module read."""

    @property
    def has_logic(self) -> bool:
        """There is more in it than wires and boxes."""
        return bool(self.cells or self.registers or self.memories or self.assertions)

    # ---- construction

    def _fail(self, cell_name: str, cell: Mapping[str, Any], rule: str) -> NetlistError:
        source = cell.get("attributes", {}).get("src", "no source line")
        return NetlistError(f"{self.name}: cell {cell_name} ({cell['type']}, {source}) {rule}")

    def _drive(self, net: Net, bits: Iterable[Bit]) -> None:
        for i, bit in enumerate(bits):
            if isinstance(bit, int):
                self._driver[bit] = (net, i)

    def _cell(self, name: str, cell: Mapping[str, Any], boxes: Mapping[str, Mapping[str, str]]) -> None:
        kind = cell["type"]
        bits: dict[str, list[Bit]] = cell["connections"]
        if kind in _SILENT:
            return
        if kind in boxes:
            self._box(name, cell, boxes[kind])
            return
        if kind == "$mem_v2":
            self._memory(name, cell)
            return
        if kind == "$check":
            self._assertion(name, cell)
            return
        parameters = {key: _number(value) for key, value in cell["parameters"].items() if not key.startswith("\\")}
        if kind == "$dff":
            if bits["CLK"] != [self._clock] or not parameters["CLK_POLARITY"]:
                raise self._fail(name, cell, f"must be clocked by the rising edge of {CLOCK}")
            net = Net("register", len(bits["Q"]), name, kind, parameters, bits)
            self.registers.append(net)
            self._drive(net, bits["Q"])
        elif kind in KNOWN:
            net = Net("cell", len(bits["Y"]), name, kind, parameters, bits, coarse=kind not in BITWISE)
            self.cells.append(net)
            self._drive(net, bits["Y"])
        else:
            raise self._fail(name, cell, "is of a kind that lanes does not know (no latch, no tristate, one clock)")

    def _box(self, name: str, cell: Mapping[str, Any], directions: Mapping[str, str]) -> None:
        bits: dict[str, list[Bit]] = cell["connections"]
        for port, ours in ((CLOCK, self._clock), (RESET, self._reset)):
            if port in bits and bits[port] != [ours]:
                raise self._fail(name, cell, f"must have {port} from its parent's {port}")
        inputs = {}
        for port, connected in bits.items():
            if port in (CLOCK, RESET):
                continue
            if directions[port] == "output":
                self.box_outputs[name, port] = net = Net("input", len(connected), (name, port))
                self._drive(net, connected)
            else:
                inputs[port] = connected
        self.boxes[name] = (cell["type"], inputs)

    def _memory(self, name: str, cell: Mapping[str, Any]) -> None:
        p, bits = cell["parameters"], cell["connections"]
        width, size, abits = (_number(p[key]) for key in ("WIDTH", "SIZE", "ABITS"))
        for key in ("RD_TRANSPARENCY_MASK", "WR_PRIORITY_MASK", "OFFSET", "RD_WIDE_CONTINUATION"):
            if _number(p[key]):
                raise self._fail(name, cell, f"must have {key} 0")
        text = str(p["INIT"]).rjust(size * width, "0") if len(str(p["INIT"])) > 1 else "0" * (size * width)
        init = [_number(text[len(text) - (i + 1) * width : len(text) - i * width]) for i in range(size)]
        memory = Memory(name, width, size, abits, init if any(init) else [])
        for k in range(_number(p["RD_PORTS"])):
            net = Net("read", width, f"{name}.{k}", "$mem_v2", memory=memory, port=k, coarse=True, reset=False)
            clocked = _number(p["RD_CLK_ENABLE"]) >> k & 1
            if clocked and bits["RD_CLK"][k] != self._clock:
                raise self._fail(name, cell, f"must be clocked by {CLOCK}")
            for key in ("RD_ARST", "RD_SRST"):
                if bits[key][k] not in ("0", "x"):
                    raise self._fail(name, cell, f"must have no reset on its read ports ({key})")
            memory.reads.append(net)
            memory.enables.append([bits["RD_EN"][k]] if clocked else [])
            memory.addresses.append(bits["RD_ADDR"][k * abits : (k + 1) * abits])
            self._drive(net, bits["RD_DATA"][k * width : (k + 1) * width])
        for k in range(_number(p["WR_PORTS"])):
            if not _number(p["WR_CLK_ENABLE"]) >> k & 1 or bits["WR_CLK"][k] != self._clock:
                raise self._fail(name, cell, f"must be written at the edge of {CLOCK}")
            here = slice(k * width, (k + 1) * width)
            address = bits["WR_ADDR"][k * abits : (k + 1) * abits]
            memory.writes.append((address, bits["WR_DATA"][here], bits["WR_EN"][here]))
        self.memories.append(memory)

    def _assertion(self, name: str, cell: Mapping[str, Any]) -> None:
        p, bits = cell["parameters"], cell["connections"]
        always = bits["EN"] == ["1"] and bits["TRG"] == [self._clock] and p["TRG_POLARITY"].endswith("1")
        if p["FLAVOR"] != "assert" or not always or bits["ARGS"]:
            raise self._fail(name, cell, f"must be an assertion with a plain text, looked at in every edge of {CLOCK}")
        self.assertions.append(Assertion(p["FORMAT"], bits["A"][0]))

    def _inits(self) -> None:
        values: dict[Bit, str] = {}
        for what in self.netnames.values():
            init = what["attributes"].get("init")
            if init:
                values |= dict(zip(what["bits"], reversed(init), strict=False))
        for net in self.registers:
            net.init = sum((values.get(bit) == "1") << i for i, bit in enumerate(net.connections["Q"]))

    def _resets(self) -> None:
        """A register has a reset if `rst`, which nothing else looks at, comes before its D."""
        before: dict[Net, bool] = {}

        def sees(bit: Bit) -> bool:
            if bit == self._reset:
                return True
            net = self._driver[bit][0] if bit in self._driver else None
            if net is None or net.kind != "cell":
                return False
            if net not in before:
                before[net] = False
                before[net] = any([sees(b) for port, bits in net.connections.items() if port != "Y" for b in bits])
            return before[net]

        for net in self.registers:
            net.reset = any([sees(bit) for bit in net.connections["D"]])

    def _used(self) -> dict[Net, set[int]]:
        operands = [
            bits for net in (*self.cells, *self.registers) for port, bits in net.connections.items() if port not in "YQ"
        ]
        for memory in self.memories:
            operands += [*memory.addresses, *memory.enables, *(bits for write in memory.writes for bits in write)]
        operands += [[assertion.holds] for assertion in self.assertions]
        used: dict[Net, set[int]] = {}
        for bit in dict.fromkeys(bit for bits in operands for bit in bits):
            found = self.source(bit)
            if not isinstance(found, str) and found[0].kind == "input":
                used.setdefault(found[0], set()).add(found[1])
        return used

    # ---- sources

    def source(self, bit: Bit) -> tuple[Net, int] | str:
        """What drives a bit, looking through what a constant decides: (net, its bit) or "0" or "1"."""
        if not isinstance(bit, int):
            return "1" if bit == "1" else "0"
        if bit == self._reset:
            return "0"
        if bit not in self._source:
            # a loop finds the cell itself, and is refused where it is evaluated; what nobody drives is 0
            self._source[bit] = self._driver.get(bit, "0")
            if bit in self._driver:
                self._source[bit] = self._folded(*self._driver[bit])
        return self._source[bit]

    def _folded(self, net: Net, i: int) -> tuple[Net, int] | str:
        if net.kind != "cell" or net.type not in ("$and", "$or", "$not", "$mux"):
            return net, i
        con, p = net.connections, net.parameters
        if net.type == "$mux":
            select = self.source(con["S"][0])
            if isinstance(select, str):
                return self.source(con["B" if select == "1" else "A"][i])
            return net, i
        a = self.source(extended(con["A"], net.width, bool(p["A_SIGNED"]))[i])
        if net.type == "$not":
            return ("0" if a == "1" else "1") if isinstance(a, str) else (net, i)
        b = self.source(extended(con["B"], net.width, bool(p["B_SIGNED"]))[i])
        decides, passes = ("0", "1") if net.type == "$and" else ("1", "0")
        if decides in (a, b):
            return decides
        return b if a == passes else a if b == passes else (net, i)

    def runs(self, bits: Sequence[Bit]) -> list[Run]:
        """The bits as the longest pieces of nets and constants, lowest first."""
        out: list[Run] = []
        for at, bit in enumerate(bits):
            found = self.source(bit)
            net, low = (None, int(found)) if isinstance(found, str) else found
            last = out[-1] if out else None
            if last is not None and last.net is net and (net is None or last.low + last.width == low):
                value = last.low | low << last.width if net is None else last.low
                out[-1] = Run(net, value, last.at, last.width + 1)
            else:
                out.append(Run(net, low, at, 1))
        return out

    def constant(self, bits: Sequence[Bit]) -> int | None:
        """The value if all bits are constant."""
        runs = self.runs(bits)
        return runs[0].low if len(runs) == 1 and runs[0].net is None else 0 if not runs else None

    # ---- cuts

    def cut(self) -> None:
        """Cut registers and bitwise cells where parts of all their operands meet: structs come apart, numbers do not.

        What would fall to many pieces stays whole.
        """
        able = [net for net in (*self.registers, *self.cells) if not net.coarse and net.width > 1]
        operands = {net: self._operands(net) for net in able}
        changed = True
        while changed:
            changed = False
            for net in able:
                if net.coarse:
                    continue
                each = [_boundaries(runs) for runs in operands[net]]
                cuts = net.cuts | (set.intersection(*each) if each else set())
                if len(cuts) > max(2, net.width // 4):
                    net.coarse, net.cuts, changed = True, set(), True
                elif cuts != net.cuts:
                    net.cuts, changed = cuts, True
        for net in (*self.inputs.values(), *self.box_outputs.values(), *self.registers, *self.cells):
            net._parts = None

    def _operands(self, net: Net) -> list[list[Run]]:
        """What a net is made of bit by bit, without what is constant: that lies together with anything."""
        con, width = net.connections, net.width
        if net.kind == "register":
            words = [con["D"]]
        elif net.type == "$mux":
            words = [con["A"], con["B"]]
        elif net.type == "$pmux":
            words = [con["A"], *(con["B"][i : i + width] for i in range(0, len(con["B"]), width))]
        else:
            ports = [port for port in ("A", "B") if port in con]
            words = [extended(con[port], width, bool(net.parameters[f"{port}_SIGNED"])) for port in ports]
        every = [self.runs(bits) for bits in words]
        return [runs for runs in every if any(run.net is not None for run in runs)]

    # ---- dependences

    def cone(self, net: Net) -> frozenset[Net]:
        """Inputs (and box outputs) that the net depends on without a register in between."""
        if net.kind == "input":
            return frozenset({net})
        if net.kind == "register":
            return frozenset()
        if net not in self._cones:
            self._cones[net] = frozenset()
            memory = net.memory
            if memory is None:
                bits = [bit for port, bits in net.connections.items() if port != "Y" for bit in bits]
            elif memory.enables[net.port]:
                bits = []
            else:
                bits = memory.addresses[net.port]
            self._cones[net] = self.cone_of(bits)
        return self._cones[net]

    def cone_of(self, bits: Iterable[Bit]) -> frozenset[Net]:
        """The same for some bits."""
        nets = {found[0] for found in map(self.source, bits) if not isinstance(found, str)}
        return frozenset().union(*(self.cone(net) for net in nets))
