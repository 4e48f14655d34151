"""Compile a core with its bench, memory and host to something that runs. Built once for the same text and settings."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from makalu.hw.spec.config import BusConfig
from makalu.sw.paths import BUILD, RTL_SOURCES
from makalu.sw.rtl.memory import memory_parameters
from makalu.sw.rtl.simulators import VERIFY_ARGS, WAIVED, environment
from makalu.sw.versions import versions

__all__ = ["MACHINES", "MachineBuildError", "build_machine"]

MACHINES: Path = BUILD / "machines"
_FAST_ARGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast")
_SOURCES = {"verilator": ("bench.v", "memory.v", "harness.cpp"), "icarus": ("host.v", "bench.v", "memory.v")}
_PROGRAM = "machine"
_LOG_CHARACTERS = 6000


class MachineBuildError(RuntimeError):
    """A simulator refused the text; the message has the end of its output."""


def _commands(simulator: str, fast: bool, parameters: dict[str, int], observe_bits: int) -> list[str]:
    defines = ["-DOBSERVE=1"] if observe_bits else []
    if simulator == "icarus":
        overrides = [f"-Phost.{name}={value}" for name, value in parameters.items()]
        return ["iverilog", "-g2012", "-s", "host", "-o", _PROGRAM, *overrides, *defines]
    return [
        "verilator",
        *("--cc", "--exe", "--build", "-j", str(os.cpu_count() or 1)),
        *("--hierarchical", "--top-module", "bench", "--Mdir", "model", "-o", f"../{_PROGRAM}"),
        *(_FAST_ARGS if fast else VERIFY_ARGS),
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
) -> tuple[list[str], bool]:
    """The command that starts the simulation (plusargs follow it), and whether an earlier build was taken.

    `core` is Verilog with a module `core`; `observed` are name and width of its observation ports, the one in the
    lowest bits of a sample first.
    """
    observe_bits = sum(bits for _, bits in observed)
    parameters = memory_parameters(bus, size=memory_bytes) | {"OBSERVE_BITS": max(observe_bits, 1)}
    command = _commands(simulator, fast, parameters, observe_bits)
    sources = {file: (RTL_SOURCES / file).read_text() for file in _SOURCES[simulator]} | {"core.v": core}
    headers = {"observe.vh": _connections(observed)}
    identity = json.dumps([sources, headers, command, versions()], sort_keys=True)
    final = MACHINES / f"{name}-{simulator}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    reused = final.is_dir()
    if not reused:
        MACHINES.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=MACHINES))
        try:
            for file, text in (sources | headers).items():
                (work / file).write_text(text)
            built = subprocess.run(
                [*command, *sources],
                cwd=work,
                env={**os.environ, **environment(optimize="-O2" if fast else "-O1")},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if built.returncode:
                raise MachineBuildError(f"{name} for {simulator}: {built.stdout[-_LOG_CHARACTERS:]}")
            shutil.rmtree(work / "model", ignore_errors=True)  # a hundred times the size of the program
            try:
                work.rename(final)
            except OSError:  # another process was first with the same bytes
                if not final.is_dir():
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    program = str(final / _PROGRAM)
    return (["vvp", "-n", program] if simulator == "icarus" else [program]), reused
