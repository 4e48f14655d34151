"""A component compiled to lanes alone, driven by a program that takes its inputs from a file (bench.cpp).

Beside it Verilator's model of the same Verilog, where asked for: then both see the same inputs and every output is
compared in every cycle.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.hw.lib.emit import Emission, deep_recursion, port_list
from makalu.spec.versions import versions
from makalu.sw.paths import BUILD, ROOT, RTL_SOURCES
from makalu.sw.rtl.lanes.build import RECURSION
from makalu.sw.rtl.lanes.design import BOXES, Design
from makalu.sw.rtl.lanes.model import Model
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.shared import DATAFLOW, shared_modules
from makalu.sw.rtl.simulators import FEW_FILES, WAIVED, environment, verilator_root

__all__ = ["TOP", "Bench", "Difference", "model_of", "words"]

TOP = "bench"
"""The module, and the program."""
FLAGS = {"avx512": ["-march=x86-64-v4"], "avx2": ["-march=x86-64-v3"], "plain": ["-DPLAIN"]}
MAIN = ROOT / "tests" / "rtl" / "lanes" / "bench.cpp"
HEADER = RTL_SOURCES / "lanes" / "lanes.h"
LOG_CHARACTERS = 6000
NUMBER = 64
"""Bits of the widest port that is a number for the generated functions."""


class Difference(AssertionError):
    """The first outputs that differ from Verilator's, with their cycle."""


_NETLISTS: dict[tuple[type, str, frozenset[str], bool], str] = {}
"""By class, key, boxes and assertions: a component whose compiler is changed test by test is emitted once."""


def _netlist(component: Any, boxes: Collection[str], assertions: bool) -> Any:
    key = (type(component), repr(component.emit_key), frozenset(boxes), assertions)
    if key in _NETLISTS:
        component._MustUse__used = True  # what would be reported as made and never elaborated
    else:
        _NETLISTS[key] = json.dumps(Emission(assertions=assertions).netlist(component, name=TOP, boxes=boxes))
    return json.loads(_NETLISTS[key])


def model_of(component: Any, *, form: str = "plain", boxes: Collection[str] = BOXES, assertions: bool = False) -> Model:
    """The compiler's model of a component as the top; `boxes` are the classes below it.

    By default without assertions: random inputs break what neighbours keep.
    """
    ports = {name: len(value) for name, value, _ in port_list(component)}
    with deep_recursion(RECURSION):
        return Model(Design(_netlist(component, boxes, assertions), TOP), form=form, ports=ports, host=False)


def words(bits: int) -> int:
    """Words of 32 bits."""
    return -(-bits // 32)


@dataclass(frozen=True)
class Port:
    """In a row of inputs or outputs from `word` on."""

    name: str
    word: int
    bits: int


def _ports(component: Any, inputs: bool) -> tuple[Port, ...]:
    out: list[Port] = []
    at = 0
    for name, value, is_input in port_list(component):
        if is_input is inputs:
            out.append(Port(name, at, len(value)))
            at += words(len(value))
    return tuple(out)


def _total(ports: tuple[Port, ...]) -> int:
    return sum(words(port.bits) for port in ports)


@dataclass(frozen=True)
class Bench:
    """A compiled component."""

    program: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @classmethod
    def build(
        cls, component: Any, files: Mapping[str, str], *, form: str = "plain", verilog: str | None = None
    ) -> "Bench":
        """Of a component's generated `files`; with its `verilog`, module `TOP`, Verilator's model beside it."""
        inputs, outputs = (_ports(component, way) for way in (True, False))
        sources = {**files, "ports.h": _header(inputs, outputs), "lanes.h": HEADER.read_text()}
        sources["bench.cpp"] = MAIN.read_text()
        # what is small is compiled more often than it runs
        options = ["-std=c++20", "-O1" if verilog else "-O0", "-Wno-psabi", *FLAGS[form]]
        model = None if verilog is None else _kept("verilated", [verilog], lambda work: _verilate(work, verilog))
        folder = _kept(TOP, [sources, options, verilog], lambda work: _compile(work, sources, options, model))
        return cls(folder / TOP, inputs, outputs)

    def run(self, rows: NDArray[np.uint32], *, seed: int = 0, threads: int = 1) -> NDArray[np.uint32]:
        """Outputs, [cycles, words], of inputs [cycles, words]. Errors: `Difference`."""
        assert rows.shape[1] == _total(self.inputs)
        with tempfile.TemporaryDirectory() as folder:
            given, seen = Path(folder) / "in", Path(folder) / "out"
            np.ascontiguousarray(rows, np.uint32).tofile(given)
            command = [str(self.program), str(given), str(seen), str(seed), str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Difference(done.stdout + done.stderr or f"exit code {done.returncode}")
            return np.fromfile(seen, np.uint32).reshape(len(rows), _total(self.outputs))


def _header(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> str:
    out = [f"constexpr unsigned kInputWords={_total(inputs)},kOutputWords={_total(outputs)};"]
    for name, ports in (("INPUTS", inputs), ("OUTPUTS", outputs)):
        kinds = [f"{'WIDE' if port.bits > NUMBER else 'NUMBER'}({port.name},{port.word},{port.bits})" for port in ports]
        out.append(f"#define {name} {' '.join(kinds)}")
    return "\n".join([*out, ""])


# ---- compilers


def _kept(name: str, parts: Any, make: Callable[[Path], None]) -> Path:
    """A folder in build/ that `make(folder)` filled, now or for the same `parts` before."""
    identity = json.dumps([parts, versions()], sort_keys=True)
    final = BUILD / "lanes-tests" / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    with alone(final):
        if not final.is_dir():
            with work_folder(final) as work:
                make(work)
                work.rename(final)
    return final


def _call(command: list[Any], folder: Path) -> None:
    variables = {**os.environ, **environment(optimize="-O0")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-LOG_CHARACTERS:]


def _verilate(work: Path, verilog: str) -> None:
    (work / f"{TOP}.v").write_text(verilog)
    (work / "shared.vlt").write_text(shared_modules(verilog, hierarchical=False))
    fast = ["-O3", "--x-assign", "fast", "--x-initial", "fast", *FEW_FILES, *DATAFLOW]
    waived = [f"-Wno-{name}" for name in WAIVED]
    command = ["verilator", "--cc", "--build", "--top-module", TOP, "--Mdir", work, *fast, *waived]
    _call([*command, f"{TOP}.v", "shared.vlt"], work)


def _compile(work: Path, sources: Mapping[str, str], options: list[str], model: Path | None) -> None:
    launcher = [environment()["OBJCACHE"]] if "OBJCACHE" in environment() else []
    include, libraries = verilator_root() / "include", []
    for name, text in sources.items():
        (work / name).write_text(text)
    if model is not None:
        options = [
            *options,
            "-DVERILATED",
            f"-I{model}",
            *(f"-isystem{path}" for path in (include, include / "vltstd")),
        ]
        libraries = [model / f"libV{TOP}.a", model / "libverilated.a"]
    units = sorted(name for name in sources if name.endswith(".cpp"))
    for unit in units:
        _call([*launcher, "g++", *options, "-c", unit, "-o", f"{unit}.o"], work)
    _call(["g++", "-pthread", "-o", TOP, *(f"{unit}.o" for unit in units), *libraries], work)
    for path in work.iterdir():
        if path.name != TOP:
            path.unlink()
