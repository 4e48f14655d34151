"""The files of one run of a machine: what the simulation reads, and what it leaves behind."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.errors import ErrorCode, MakaluError
from makalu.spec.isa import QUEUES
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.spec.registers import QUEUE_STATES, REGISTERS, Status, registers_of
from makalu.sw.paths import BUILD
from makalu.sw.rtl.memory import IMAGE_UNIT, memory_plusargs

__all__ = ["RUNS", "MachineError", "MachineTimeout", "RunFiles", "RunResult", "simulate"]

RUNS: Path = BUILD / "runs"
_KEPT_SECONDS = 24 * 3600
"""Traces and logs that nobody discarded go when a run begins so long after them."""
_PROGRESS = re.compile(r"progress (\d+)")


class MachineError(MakaluError, RuntimeError):
    """The simulation stopped, or a register access was answered with an error."""


class MachineTimeout(MachineError):
    """No interrupt within the limit; the message says what every queue was doing, `result` has the rest."""

    def __init__(self, message: str, result: "RunResult") -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run left behind."""

    image: NDArray[np.uint8]
    """The whole memory, [bytes], whatever happened."""
    cycles: int
    """Register `cycles`: from the last start to done or error."""
    registers: dict[str, int]
    earlier: tuple[dict[str, int], ...]
    """The registers after each of the programs of `before`."""
    trace: Path | None
    """Samples of `observe` from the first cycle after reset; read with `makalu.sw.rtl.trace.read_trace`."""
    log: Path | None
    """Handshakes of the memory's ports, lines of `LOG_FIELDS`."""
    simulated_cycles: int
    """Cycles after reset until the interrupt, with those in which the host wrote registers."""
    seconds: float
    """Wall clock between start and interrupt; on Icarus of the whole simulation, because its host has no clock."""
    notes: tuple[tuple[int, float, float], ...] = ()
    """Cycle, seconds since the start and CPU seconds of the process, some fifty times a second (not Icarus)."""

    @property
    def memory(self) -> NDArray[np.uint8]:
        """`image` of a run that ended well. Errors: `MachineError` where a queue stopped: results would be none."""
        if self.error:
            codes = {q.name.lower(): ErrorCode(self.registers[f"{q.name.lower()}_error"]).name for q in QUEUES}
            stopped = ", ".join(f"{name} with {code}" for name, code in codes.items() if code != ErrorCode.NONE.name)
            raise MachineError(f"the core stopped ({stopped}): its memory holds no result; `image` is what is there")
        return self.image

    def discard(self) -> None:
        """Delete the files of trace and log."""
        for path in (self.trace, self.log):
            if path is not None:
                shutil.rmtree(path.parent, ignore_errors=True)

    def pace(self, first: int, last: int, *, cpu: bool = False) -> float:
        """Simulated cycles a second from cycle `first` to `last`, counted as in the trace, between the nearest notes.

        With `cpu` a CPU second of the simulation, whatever else the machine does. Errors: `ValueError` where there
        are no two notes between them.
        """
        inside = [note for note in self.notes if first <= note[0] <= last]
        if len(inside) < 2:
            raise ValueError(f"cycles {first} to {last} must have two notes of the clocks, not {len(inside)}")
        early, late = inside[0], inside[-1]
        clock = 2 if cpu else 1
        return (late[0] - early[0]) / (late[clock] - early[clock])

    @property
    def error(self) -> bool:
        return bool(self.registers["status"] & Status.ERROR)

    @property
    def cycles_per_second(self) -> float:
        return self.cycles / self.seconds if self.seconds else 0.0


def _states(registers: Mapping[str, int]) -> str:
    names = [queue.name.lower() for queue in QUEUES]
    return ", ".join(f"{name} {QUEUE_STATES[registers[f'{name}_state'] % len(QUEUE_STATES)]}" for name in names)


class RunFiles:
    """A folder with image and script, and the arguments with which `simulate` takes them.

    Their paths are relative to `RUNS`: a simulator takes a line of them apart at blanks, and a path of more than a
    thousand characters too.
    `image` is the whole memory, from address 0, of at most `limit` bytes; `timing` is by default the preset's rate and
    latency; `row_bytes` are those of a cycle in the trace, 0 for none. Errors: `ValueError` for an
    image that does not fit.
    """

    def __init__(
        self,
        config: CoreConfig,
        image: bytes | NDArray[np.uint8],
        script: str,
        *,
        limit: int,
        timing: MemoryTiming | None = None,
        stalls: StallProbabilities = NO_STALLS,
        log: bool = False,
        row_bytes: int = 0,
    ) -> None:
        content = np.frombuffer(image, np.uint8) if isinstance(image, bytes) else np.ascontiguousarray(image, np.uint8)
        if not 0 < content.size <= limit or content.size % IMAGE_UNIT:
            rule = f"a multiple of {IMAGE_UNIT} from {IMAGE_UNIT} to {limit} bytes"
            raise ValueError(f"the memory image must be {rule}, not {content.size}")
        RUNS.mkdir(parents=True, exist_ok=True)
        _forget_old_runs(RUNS)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{config.name}-", dir=RUNS))
        self._log, self._row_bytes, self._bytes = log, row_bytes, content.size
        self._registers = {register.address: name for name, register in registers_of(config).items()}
        self.paths = {name: self._folder / name for name in ("image", "dump", "script", "result", "trace", "log")}
        here = Path(self._folder.name)
        content.tofile(self.paths["image"])
        self.paths["script"].write_text(script)
        self.arguments = memory_plusargs(
            timing or MemoryTiming.of(config.memory),
            size=content.size,
            stalls=stalls,
            image=here / "image",
            dump=here / "dump",
            log=here / "log" if log else None,
        )
        self.arguments += [f"+script={here / 'script'}", f"+result={here / 'result'}"]
        if row_bytes:
            self.arguments.append(f"+trace={here / 'trace'}")

    def result(self, max_cycles: int, *, starts: int = 1, seconds: float | None = None) -> RunResult:
        """What the simulation left; trace and log stay, the other files go. `seconds` where its host has no clock.

        Errors: `MachineTimeout`, `MachineError`.
        """
        result = self._read(starts, seconds)
        for name in ("image", "dump", "script", "result"):
            self.paths[name].unlink()
        if not any(self._folder.iterdir()):
            self._folder.rmdir()
        for registers in (*result.earlier, result.registers):
            if not registers["interrupt"]:
                raise MachineTimeout(f"no interrupt within {max_cycles} cycles: {_states(registers)}", result)
        return result

    def _check_whole(self, cycles: int) -> None:
        """Simulators do not look whether what they write has room. Errors: `MachineError`."""
        rows, rest = divmod(self.paths["trace"].stat().st_size, self._row_bytes) if self._row_bytes else (cycles, 0)
        whole = {
            "dump": self.paths["dump"].stat().st_size == self._bytes,
            "trace": rows >= cycles and not rest,
            "log": not self._log or _ends_a_line(self.paths["log"]),
        }
        cut = ", ".join(name for name, good in whole.items() if not good)
        if cut:
            raise MachineError(f"the simulation left half of its {cut}: is there room in {RUNS}?")

    def _read(self, starts: int, seconds: float | None) -> RunResult:
        values: list[tuple[str, int]] = []
        waited = ["0", "0", "0"]
        notes: list[tuple[int, float, float]] = []
        for line in self.paths["result"].read_text().splitlines():
            kind, *fields = line.split()
            if kind == "wait":
                waited = fields
                continue
            if kind == "at":
                notes.append((int(fields[0]), float(fields[1]), float(fields[2])))
                continue
            name = self._registers[int(fields[0], 16)]
            if int(fields[-1], 16):
                raise MachineError(f"{kind} of register {name} was answered with an error: {line}")
            if kind == "write":
                notes.clear()  # of an earlier start
            else:
                values.append((name, int(fields[1], 16)))
        if len(values) != starts * len(REGISTERS) or not self.paths["dump"].is_file():
            raise MachineError(f"the simulation stopped early; results in {self._folder}")
        self._check_whole(int(waited[0]))
        *earlier, registers = (dict(values[i : i + len(REGISTERS)]) for i in range(0, len(values), len(REGISTERS)))
        return RunResult(
            image=np.fromfile(self.paths["dump"], np.uint8),
            cycles=registers["cycles"],
            registers=registers,
            earlier=tuple(earlier),
            trace=self.paths["trace"] if self._row_bytes else None,
            log=self.paths["log"] if self._log else None,
            simulated_cycles=int(waited[0]),
            seconds=float(waited[2]) if seconds is None else seconds,
            notes=tuple(notes),
        )


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() in (b"", b"\n")


def _forget_old_runs(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process is as tidy
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def simulate(command: list[str], report: Callable[[int], None] | None = None) -> None:
    """Run a simulation in `RUNS` to its end; `report` gets its progress. Errors: `MachineError` with what it said."""
    output = []
    with subprocess.Popen(command, cwd=RUNS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            match = _PROGRESS.match(line)
            if match is None:
                output.append(line)
            elif report is not None:
                report(int(match[1]))
    if process.returncode:
        raise MachineError(f"the simulation ended with {process.returncode}:\n{''.join(output)}")
