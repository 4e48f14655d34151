"""Compile a core with its bench, memory and host to something that runs. Built once for the same text and settings."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from makalu.spec.config import BusConfig
from makalu.spec.errors import MakaluError
from makalu.spec.versions import versions
from makalu.sw.paths import BUILD, RTL_SOURCES
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.memory import memory_parameters
from makalu.sw.rtl.plain import plain_work
from makalu.sw.rtl.shared import DATAFLOW, shared_modules
from makalu.sw.rtl.simulators import FAST, FEW_FILES, QUICK, VERIFY_ARGS, WAIVED, environment, told
from makalu.sw.rtl.waves import FST_ARGS, fst_files

__all__ = ["FAST_ARGS", "MACHINES", "BuiltMachine", "MachineBuildError", "build_machine", "build_program"]

MACHINES: Path = BUILD / "machines"
FAST_ARGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast")
_SOURCES = {"verilator": ("bench.v", "memory.v", "harness.cpp"), "icarus": ("host.v", "bench.v", "memory.v")}
_PROGRAM, _MODEL = "machine", "model"
_SECONDS = "seconds"
"""File beside the program: how long its compilation took."""
_PLANNED, _TOP = 0.1, 2
"""What the bar gives for finding the blocks, and for the top, where each block is 1: measured on trn2-mini."""
_VERILATED, _LINKED = 0.2, 0.1
"""Of a block or of the top; the rest is compiling."""
_SLOW = 10
"""Verilator's `Slow` sources are compiled without optimisation, in so many times less time a byte."""
_BLOCK = re.compile(r"(?m)^module (\w+)\(.*verilator hier_block")


class MachineBuildError(MakaluError, RuntimeError):
    """A simulator refused the text; the message has the end of its output."""


@dataclass(frozen=True, kw_only=True)
class BuiltMachine:
    """A program that simulates, in a folder that is named after everything that went into it."""

    folder: Path
    command: list[str]
    """Starts the simulation; plusargs follow it."""
    reused: bool
    """An earlier build was taken."""
    seconds: float
    """Wall clock of the compilation, also where it was an earlier one."""


def _commands(simulator: str, fast: bool, parameters: dict[str, int], observe_bits: int, waves: bool) -> list[str]:
    defines = ["-DOBSERVE=1"] if observe_bits else []
    if simulator == "icarus":
        overrides = [f"-Phost.{name}={value}" for name, value in parameters.items()]
        return ["iverilog", "-g2012", "-s", "host", "-o", _PROGRAM, *overrides, *defines]
    return [
        "verilator",
        *("--cc", "--exe", "--build", "-j", str(os.cpu_count() or 1)),
        *("--top-module", "bench", "--Mdir", _MODEL, "-o", f"../{_PROGRAM}"),
        *(FST_ARGS if waves else ("--hierarchical",)),  # a block that is compiled apart would hide its signals
        *(FAST_ARGS if fast else VERIFY_ARGS),
        *FEW_FILES,
        *DATAFLOW,
        *(f"-Wno-{name}" for name in WAIVED),
        *(f"-G{name}={value}" for name, value in parameters.items()),
        *defines,
        *("-CFLAGS", f"-DOBSERVE_BITS={observe_bits}"),
    ]


def _connections(observed: list[tuple[str, int]]) -> str:
    lines, lsb = [], 0
    for name, bits in observed:
        lines.append(f".{name}(observe[{lsb} +: {bits}]),\n")
        lsb += bits
    return "".join(lines)


def build_machine(
    core: str,
    *,
    name: str,
    bus: BusConfig,
    simulator: str,
    fast: bool,
    memory_bytes: int,
    observed: list[tuple[str, int]],
    waves: bool = False,
    report: Callable[[float, float], None] | None = None,
) -> BuiltMachine:
    """Compile, or take what an earlier call left; processes that want the same machine wait for the first one.

    `core` is Verilog with a module `core`; `observed` are name and width of its observation ports, the one in the
    lowest bits of a sample first; with `waves` runs on Verilator can write them (those on Icarus always can); `report`
    is called with the parts that are done and all parts.
    """
    observe_bits = sum(bits for _, bits in observed)
    parameters = memory_parameters(bus, size=memory_bytes) | {"OBSERVE_BITS": max(observe_bits, 1)}
    waves = waves and simulator == "verilator"
    apart = simulator == "verilator" and not waves
    command = _commands(simulator, fast, parameters, observe_bits, waves)
    sources = {file: (RTL_SOURCES / file).read_text() for file in _SOURCES[simulator]} | {"core.v": core}
    if simulator == "verilator":
        sources["shared.vlt"] = shared_modules(core, hierarchical=apart)
    headers = {"observe.vh": _connections(observed)} | (fst_files() if waves else {})
    identity = json.dumps([sources, headers, command, versions()], sort_keys=True)
    final = MACHINES / f"{name}-{simulator}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    optimize = QUICK if waves or not fast else FAST
    files = sources | headers
    reused = build_program([*command, *sources], files, final, optimize=optimize, apart=apart, report=report)
    if report is not None:
        report(1, 1)
    program = str(final / _PROGRAM)
    start = ["vvp", "-n", program] if simulator == "icarus" else [program]
    return BuiltMachine(folder=final, command=start, reused=reused, seconds=float((final / _SECONDS).read_text()))


def build_program(
    command: list[str],
    files: Mapping[str, str],
    final: Path,
    *,
    optimize: str,
    apart: bool = False,
    report: Callable[[float, float], None] | None = None,
) -> bool:
    """Run `command` where `files` are, and keep it all as `final`; True if an earlier call had. One process at a time.

    Errors: `MachineBuildError`.
    """
    with alone(final):
        reused = (final / _SECONDS).is_file()
        if not reused:
            _compile(command, files, final, optimize=optimize, apart=apart, report=report)
    return reused


def _compile(
    command: list[str],
    files: Mapping[str, str],
    final: Path,
    *,
    optimize: str,
    apart: bool,
    report: Callable[[float, float], None] | None,
) -> None:
    """Run `command` on `files` in a temporary folder; what is left of it becomes `final` when it is whole.

    `apart`: Verilator compiles the blocks of `core.v` apart.
    """
    with work_folder(final) as whole:
        with plain_work(whole) as work:
            _run(command, files, work, final.name, optimize=optimize, apart=apart, report=report)
            shutil.rmtree(work / _MODEL, ignore_errors=True)  # a hundred times the size of the program
        shutil.rmtree(final, ignore_errors=True)  # not whole: it would have been taken
        whole.rename(final)


def _run(
    command: list[str],
    files: Mapping[str, str],
    work: Path,
    name: str,
    *,
    optimize: str,
    apart: bool,
    report: Callable[[float, float], None] | None,
) -> None:
    """Leaves the program and how long it took in `work`."""
    model = work / _MODEL
    for file, text in files.items():
        (work / file).write_text(text)
    blocks = [model / f"V{block}" for block in _BLOCK.findall(files["core.v"])] if apart else []
    total = _PLANNED + len(blocks) + _TOP
    done, output, began = 0.0, [], time.monotonic()
    with subprocess.Popen(
        command,
        cwd=work,
        env={**os.environ, **environment(optimize=optimize)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        if report is not None:
            report(done, total)
        for line in process.stdout:
            output.append(line)
            if report is not None:
                planned = (model / "Vbench_hier.mk").exists() * _PLANNED
                shares = sum(_share(block, linked=any(block.glob("*.a"))) for block in blocks)
                top = _TOP * _share(model, linked=(work / _PROGRAM).exists())
                done = min(total, max(done, planned + shares + top))
                report(done, total)
    if process.returncode:
        raise MachineBuildError(f"{name}: {told(''.join(output), work)}")
    (work / _SECONDS).write_text(f"{time.monotonic() - began:.1f}\n")


def _share(folder: Path, *, linked: bool) -> float:
    """How much of the top, or of a block that Verilator compiles once, is done: verilated, compiled, linked.

    Verilator writes a part's makefile when it has written all of its sources; before that nothing is known. A source
    counts by its bytes, because the largest one compiles for a minute and most others for a second.
    """
    if not any(folder.glob("V*_classes.mk")):
        return 0.0
    weights = {
        path.stem: max(path.stat().st_size, 1) / (_SLOW if path.stem.endswith("Slow") else 1)
        for path in folder.glob("*.cpp")
    }
    done = sum(weights.get(path.stem, 0) for path in folder.glob("*.o"))
    return _VERILATED + (1 - _VERILATED - _LINKED) * done / (sum(weights.values()) or 1) + _LINKED * linked
