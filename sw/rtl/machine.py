"""A whole core in simulation: build it once, give it a memory image and programs, get the memory back.

`Machine(config=...).run(image, {Queue.TENSOR: address}, max_cycles=...)` on Verilator (a C++ host), Icarus or lanes
(docs/simulators.md says what each is for).
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.hw.core import Core
from makalu.hw.lib.emit import port_list
from makalu.spec.config import CoreConfig
from makalu.spec.isa import Queue
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.spec.observe import observe_layout
from makalu.spec.registers import REGISTER_BITS, REGISTER_MASK, REGISTERS, SEED, START, Status
from makalu.sw.rtl.kept_text import core_identity, core_text, written
from makalu.sw.rtl.lanes.build import PROGRAM, build_lanes
from makalu.sw.rtl.machine_build import MACHINES, BuiltMachine, build_machine
from makalu.sw.rtl.progress import built_under_a_bar, progress_bar
from makalu.sw.rtl.run_files import MachineError, MachineTimeout, RunFiles, RunResult, simulate
from makalu.sw.rtl.waves import Waves, WavesError

__all__ = ["Machine", "MachineError", "MachineTimeout", "RunResult", "default_simulator"]

_DEFAULT_BYTES = {"verilator": 1 << 26, "icarus": 1 << 20, "lanes": 1 << 30}
_LANES_FROM = 64 * 64
"""PEs from which on a core is simulated on lanes unless told otherwise."""


def default_simulator(config: CoreConfig) -> str:
    """Lanes for full geometries, Verilator for what is small."""
    return "lanes" if config.tensor.rows * config.tensor.columns >= _LANES_FROM else "verilator"


class Machine:
    """One core of `config` with `memory_bytes` of memory at most.

    Parameters: `simulator` "verilator", "icarus" or "lanes", by default what suits the core's size; `observe` "none",
    "trace" or "all"; `fast` builds for speed, with fixed initial values and clocks that stop in idle tiles (a run to
    measure), otherwise registers without reset start at random (by `seed` of `run`; at 0 if that is 0); `core` takes
    the place of the project's core, with the same ports (tests of the harness); `form` of the code of lanes: avx512,
    avx2 or plain, by default the widest that this processor has; `threads` 2 lets a second one step half of the array,
    on lanes only; with `waves` a run can write every signal, on Verilator and Icarus, and takes several times as long.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        simulator: str | None = None,
        observe: str = "none",
        fast: bool = False,
        memory_bytes: int | None = None,
        core: Any = None,
        form: str | None = None,
        threads: int = 1,
        waves: bool = False,
    ) -> None:
        simulator = simulator or default_simulator(config)
        if form is not None and simulator != "lanes":
            raise ValueError(f"form is for the simulator lanes, not for {simulator}")
        if threads not in (1, 2) or (threads == 2 and simulator != "lanes"):
            raise ValueError(f"threads must be 1, or 2 with the simulator lanes, not {threads} with {simulator}")
        if waves and simulator == "lanes":
            raise WavesError("waves are written by verilator and icarus, not by lanes, which keeps no signals' names")
        if simulator not in _DEFAULT_BYTES:
            raise ValueError(f"simulator must be one of {list(_DEFAULT_BYTES)}, not {simulator!r}")
        self.config, self.simulator, self.observe, self.fast = config, simulator, observe, fast
        self.memory_bytes = memory_bytes or _DEFAULT_BYTES[simulator]
        self._core, self._form, self._threads, self._waves = core, form, threads, waves
        self._built: BuiltMachine | None = None
        self.observe_bits = 0

    def build(self, progress: bool = False) -> BuiltMachine:
        """Generate and compile, or take what an earlier build of the same text left; with `progress` under a bar."""
        if self._built is None:
            with built_under_a_bar(self.config.name, progress) as report:
                self._built = self._build(report)
        return self._built

    def _build(self, report: Callable[[float, float], None] | None) -> BuiltMachine:
        if self.simulator == "lanes":
            return self._build_lanes(report)
        if self._core is not None:
            text = written(self._core, idle_clocks=self.fast)
        else:
            text = core_text(self.config, observe=self.observe, idle_clocks=self.fast)
        ports = text.ports if self.observe != "none" else ()
        observed = [(name, bits) for name, bits in ports if name.split("__")[0] == "observe"]
        self.observe_bits = sum(bits for _, bits in observed)
        return build_machine(
            text.verilog,
            name=f"{self.config.name}-{self.observe}",
            bus=self.config.bus,
            simulator=self.simulator,
            fast=self.fast,
            memory_bytes=self.memory_bytes,
            observed=observed,
            waves=self._waves,
            report=report,
        )

    def _build_lanes(self, report: Callable[[float, float], None] | None) -> BuiltMachine:
        core = self._core
        if core is None:
            self.observe_bits = sum(f.bits * f.count for f in observe_layout(self.config, self.observe))
            identity = core_identity(self.config, observe=self.observe)
        else:
            ports = port_list(core) if self.observe != "none" else []
            self.observe_bits = sum(len(value) for name, value, _ in ports if name == "observe")
            identity = written(core, idle_clocks=False).verilog
        folder, reused, seconds = build_lanes(
            lambda: Core(config=self.config, observe=self.observe) if core is None else core,
            identity=identity,
            name=f"{self.config.name}-{self.observe}",
            folder=MACHINES,
            form=self._form,
            cores=1,
            memory_bytes=self.memory_bytes,
            fast=self.fast,
            report=report,
        )
        return BuiltMachine(folder=folder, command=[str(folder / PROGRAM)], reused=reused, seconds=seconds)

    def run(
        self,
        image: bytes | NDArray[np.uint8],
        programs: Mapping[Queue, int],
        *,
        max_cycles: int,
        memory: MemoryTiming | None = None,
        stalls: StallProbabilities = NO_STALLS,
        watchdog: int = 0,
        random: int = 0,
        log: bool = False,
        seed: int = 1,
        progress: bool = False,
        expected: int | None = None,
        before: Sequence[Mapping[Queue, int]] = (),
        waves: Waves | None = None,
    ) -> RunResult:
        """Start the queues of `programs` (queue -> address of its first instruction) and wait for the interrupt.

        `before` are programs to start first, one after the other and without a reset: after the interrupt of each the
        registers are read and the interrupt is cleared. The core ignores a start while a queue still runs.
        `random` is written to the register `seed` where it is not 0 and the core has one.
        `image` is the whole memory, from address 0; `memory` is by default the preset's rate and latency. With
        `progress` a bar on the terminal counts cycles, up to `expected` where that is known. Errors: `MachineTimeout`,
        `MachineError`, `ValueError` for an image that does not fit and for numbers that no register holds. `waves` says
        where the signals go; the machine must have been made for them.
        """
        if waves is not None and not self._waves:
            raise ValueError("a machine must be made with waves=True to write waves")
        for name, value, low in (("max_cycles", max_cycles, 1), ("watchdog", watchdog, 0), ("random", random, 0)):
            if not low <= value <= REGISTER_MASK:
                raise ValueError(f"{name} must be from {low} to {REGISTER_MASK}, not {value}")
        self.build()
        files = RunFiles(
            self.config,
            image,
            self.script(programs, max_cycles, watchdog, before, random),
            limit=self.memory_bytes,
            timing=memory,
            stalls=stalls,
            log=log,
            row_bytes=-(-self.observe_bits // 8),
        )
        arguments = list(files.arguments)
        if self.simulator == "lanes":
            arguments += [f"+seed={0 if self.fast else seed}", f"+threads={self._threads}"]
        if self.simulator == "verilator":
            arguments += ["+verilator+rand+reset+2", f"+verilator+seed+{seed}"] if seed else ["+verilator+rand+reset+0"]
        if waves is not None:
            arguments += [*(["-fst"] if self.simulator == "icarus" else []), *waves.plusargs]
        began = time.monotonic()
        with progress_bar(expected) if progress else contextlib.nullcontext(None) as report:
            simulate([*self.build().command, *arguments], report)
        seconds = time.monotonic() - began if self.simulator == "icarus" else None
        if self.observe_bits and self.simulator == "icarus":
            _trim_rows(files.paths["trace"], self.observe_bits)
        return files.result(max_cycles, starts=len(before) + 1, seconds=seconds)

    def script(
        self,
        programs: Mapping[Queue, int],
        max_cycles: int,
        watchdog: int,
        before: Sequence[Mapping[Queue, int]] = (),
        random: int = 0,
    ) -> str:
        """What the host does in `run` with these arguments: a line an access or wait, numbers in hexadecimal."""
        clear = f"write {REGISTERS['interrupt'].address:x} {Status.DONE | Status.ERROR:x}\n"
        seeded = f"write {SEED.address:x} {random:x}\n" if random and self.config.stochastic else ""
        return seeded + clear.join(self._start_script(each, max_cycles, watchdog) for each in (*before, programs))

    def _start_script(self, programs: Mapping[Queue, int], max_cycles: int, watchdog: int) -> str:
        writes: list[tuple[str, int]] = []
        for queue, address in programs.items():
            name = queue.name.lower()
            writes.append((f"{name}_address_low", address & REGISTER_MASK))
            writes.append((f"{name}_address_high", address >> REGISTER_BITS))
        writes += [("enable", sum(1 << queue for queue in programs)), ("watchdog", watchdog), ("control", START)]
        lines = [f"write {REGISTERS[name].address:x} {value:x}" for name, value in writes]
        lines.append(f"wait {max_cycles:x}")
        lines += [f"read {register.address:x}" for register in REGISTERS.values()]
        return "\n".join(lines) + "\n"


def _trim_rows(path: Path, bits: int) -> None:
    """Icarus writes words of 32 bits; a trace has rows of whole bytes. What is no whole row is left out."""
    written, row = np.fromfile(path, np.uint8), 4 * -(-bits // 32)
    words = written[: written.size // row * row].reshape(-1, row)
    np.ascontiguousarray(words[:, : -(-bits // 8)]).tofile(path)
