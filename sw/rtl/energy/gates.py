"""A netlist run by Icarus: cell models written from the library's functions, a bench that plays inputs, its activity.

With delays every cell takes the mean of its library delays at its own load, rising and falling apart, and swallows what
is shorter (Verilog's inertial delay). Clock gates are in step with the clock, as after the balancing of a clock tree.
"""

import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from makalu.spec.errors import MakaluError

from .cells import Cell, Library
from .liberty import verilog_of
from .netlist import CLOCK, Netlist

__all__ = ["Activity", "GatesError", "Wires", "clock_nets", "icarus", "loads", "run_gates"]

PERIOD_PS = 100_000
"""Long enough for the slowest path of a netlist that nothing was sized in; energies a cycle do not depend on it."""
_EDGE_PS = PERIOD_PS // 2
_INPUT_PS = 1
"""Inputs change so long after the edge, as a neighbour's registers do."""


class GatesError(MakaluError, RuntimeError):
    """Icarus is not there, or does not take the netlist."""


@dataclass(frozen=True)
class Wires:
    """Capacitance of a net's wire: `each` and `pin` more for every pin that it drives [pF]."""

    each: float
    pin: float


@dataclass(frozen=True)
class Activity:
    """Of the measured cycles: rises and falls of each net; `outputs[cycle]` has all cycles' words, None with an x."""

    cycles: int
    rises: Mapping[int, int]
    falls: Mapping[int, int]
    outputs: tuple[int | None, ...]


def icarus() -> tuple[str, str]:
    """Its compiler and its simulator. Errors: `GatesError`."""
    compiler, runner = (shutil.which(name) for name in ("iverilog", "vvp"))
    if compiler is None or runner is None:
        raise GatesError("gates are run by Icarus Verilog, which is not on PATH: apt-get install iverilog")
    return compiler, runner


def loads(netlist: Netlist, cells: Library, wires: Wires) -> dict[int, float]:
    """pF of every net: the pins that it drives, and its wire."""
    out: dict[int, float] = defaultdict(float)
    driven: Counter[int] = Counter()
    for each in netlist.instances:
        for name, net in each.pins.items():
            pin = cells.cells[each.cell].pins[name]
            if not pin.is_output:
                out[net] += pin.capacitance
                driven[net] += 1
    return {net: out[net] + wires.each + wires.pin * driven[net] for net in netlist.nets}


def clock_nets(netlist: Netlist, cells: Library) -> set[int]:
    """The clock, what is gated of it, and what inverts it."""
    found = set(netlist.inputs[CLOCK])
    while True:
        more = set(found)
        for each in netlist.instances:
            cell = cells.cells[each.cell]
            if cell.state is None and any(net in found for net in each.pins.values()):
                more |= {net for name, net in each.pins.items() if cell.pins[name].is_output}
        if more == found:
            return found
        found = more


def run_gates(
    netlist: Netlist, cells: Library, words: Sequence[int], *, measured: range, wires: Wires | None
) -> Activity:
    """Play a word a cycle: the ports but the clock in their order, the first lowest; with delays if there are `wires`.

    Does not: know what the outputs must be. Errors: `GatesError`.
    """
    compiler, runner = icarus()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = [net for port, nets in netlist.inputs.items() if port != CLOCK for net in nets]
        (folder / "gates.v").write_text(_text(netlist, cells, inputs, len(words), measured, wires))
        digits = -(-len(inputs) // 4)
        (folder / "words.hex").write_text("".join(f"{word:0{digits}x}\n" for word in words))
        for command in ([compiler, "-g2012", "-o", "gates", "gates.v"], [runner, "-n", "gates"]):
            run = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
            if run.returncode or "ERROR" in run.stdout:
                raise GatesError(f"{command[0]} failed:\n{(run.stdout + run.stderr)[-2000:]}")
        outputs = tuple(
            None if set(line) & set("xz") else int(line, 2) for line in (folder / "outputs.txt").read_text().split()
        )
        rises, falls = _toggles(folder / "gates.vcd")
    return Activity(len(measured), rises, falls, outputs)


def _text(
    netlist: Netlist, cells: Library, inputs: Sequence[int], count: int, measured: range, wires: Wires | None
) -> str:
    used = sorted({each.cell for each in netlist.instances})
    outputs = [net for nets in netlist.outputs.values() for net in nets]
    clocks = clock_nets(netlist, cells)
    lines = ["`timescale 1ps/1ps"]
    for name in used:
        lines += _model(cells.cells[name], delays=False)
        lines += _model(cells.cells[name], delays=True) if wires is not None else ()
    clock = netlist.inputs[CLOCK][0]
    lines += [f"module gates(input {CLOCK}, input [{len(inputs) - 1}:0] in, output [{len(outputs) - 1}:0] out);"]
    lines += [f"  wire n{net};" for net in sorted(netlist.nets)]
    lines += [
        f"  assign n{clock} = {CLOCK};",
        *(f"  assign n{net} = in[{i}];" for i, net in enumerate(inputs) if net > 1),
    ]
    lines += [f"  assign out[{i}] = {_net(net)};" for i, net in enumerate(outputs)]
    lines += _instances(netlist, cells, clocks, wires)
    lines += ["endmodule", *_bench(len(inputs), len(outputs), count, measured)]
    return "\n".join(lines) + "\n"


def _net(net: int) -> str:
    return f"n{net}" if net > 1 else f"1'b{net}"


def _instances(netlist: Netlist, cells: Library, clocks: set[int], wires: Wires | None) -> Iterator[str]:
    load = loads(netlist, cells, wires) if wires is not None else {}
    for number, each in enumerate(netlist.instances):
        cell = cells.cells[each.cell]
        pins = ", ".join(f".{name}({_net(net)})" for name, net in each.pins.items())
        out = next((name for name in each.pins if cell.pins[name].is_output), None)
        if wires is None or out is None or (cell.state is None and each.pins[out] in clocks):
            yield f"  {cell.name} u{number} ({pins});"
            continue
        rise, fall = (
            max(1, round(1000 * fmean(curve.at(load[each.pins[out]]) for curve in curves)))
            for curves in cell.pins[out].delay
        )
        yield f"  {cell.name}_late #({rise}, {fall}) u{number} ({pins});"


def _model(cell: Cell, *, delays: bool) -> list[str]:
    """A module of the cell's functions; a flip-flop's or latch's state begins unknown."""
    name = f"{cell.name}_late #(parameter R = 1, F = 1)" if delays else cell.name
    late = "#(R, F) " if delays else ""
    ports = ", ".join(f"{'output' if pin.is_output else 'input'} {port}" for port, pin in cell.pins.items())
    lines = [f"module {name} ({ports});"]
    if cell.state is not None:
        # state and its complement have names of the library's; sets and resets are not used by synchronous designs
        state = cell.state.arguments[0]
        if cell.state.kind == "ff":
            edge = verilog_of(cell.state.text("clocked_on"))
            lines.append(f"  reg {state}; wire edge_ = {edge};")
            lines.append(f"  always @(posedge edge_) {state} <= {verilog_of(cell.state.text('next_state'))};")
        else:
            lines.append(f"  reg {state};")
            lines.append(
                f"  always @* if ({verilog_of(cell.state.text('enable'))}) "
                f"{state} <= {verilog_of(cell.state.text('data_in'))};"
            )
    lines += [
        f"  assign {late}{port} = {verilog_of(pin.function)};"
        for port, pin in cell.pins.items()
        if pin.is_output and pin.function
    ]
    return [*lines, "endmodule"]


def _bench(inputs: int, outputs: int, count: int, measured: range) -> list[str]:
    """Outputs are read just before the edge that ends a cycle."""
    return f"""module bench;
  reg clk = 0; reg [{inputs - 1}:0] in = 0; wire [{outputs - 1}:0] out;
  reg [{inputs - 1}:0] words [0:{count - 1}];
  integer file, cycle;
  gates dut (clk, in, out);
  initial begin
    $readmemh("words.hex", words);
    file = $fopen("outputs.txt", "w");
    $dumpfile("gates.vcd");
    $dumpvars(1, dut);
    $dumpoff;
    for (cycle = 0; cycle < {count}; cycle = cycle + 1) begin
      if (cycle == {measured.start}) $dumpon;
      if (cycle == {measured.stop}) $dumpoff;
      #{_INPUT_PS} in = words[cycle];
      #{_EDGE_PS - _INPUT_PS} clk = 0;
      #{PERIOD_PS - _EDGE_PS - 1} $fwrite(file, "%b\\n", out);
      #1 clk = 1;
    end
    $finish;
  end
endmodule""".splitlines()


def _toggles(path: Path) -> tuple[Counter[int], Counter[int]]:
    """Rises and falls by net; what a dump repeats is none, nor is what comes out of or goes to an x."""
    names: dict[str, int] = {}
    now: dict[str, str] = {}
    counts = {"0": Counter[str](), "1": Counter[str]()}
    with path.open() as lines:
        for line in lines:
            if line.startswith("$var"):
                _, _, _, key, net, *_ = line.split()
                if net[0] == "n" and net[1:].isdigit():
                    names[key] = int(net[1:])
            elif line.startswith("$enddefinitions"):
                break
        for line in lines:
            value = line[0]
            if value not in "01xz":
                continue
            key = line[1:-1]
            before = now.get(key)
            if before != value:
                now[key] = value
                if before in counts and value in counts:
                    counts[value][key] += 1
    rises, falls = (Counter({names[key]: n for key, n in counts[v].items() if key in names}) for v in "10")
    return rises, falls
