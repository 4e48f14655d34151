"""Many small cores in one program: each runs a program of its own, side by side in the lanes of one vector."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makalu.hw.core import Core
from makalu.spec.config import CoreConfig
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.sw.rtl.kept_text import core_identity
from makalu.sw.rtl.lanes.build import MOST_CORES, PROGRAM, build_lanes, most_cores
from makalu.sw.rtl.machine_build import MACHINES, BuiltMachine
from makalu.sw.rtl.progress import built_under_a_bar
from makalu.sw.rtl.run_files import RUNS, MachineError, RunFiles, RunResult, simulate

__all__ = ["Fleet", "Job"]

MEMORY_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of one core; `script` as `Machine.script` makes it, the rest as in `Machine.run`."""

    image: NDArray[np.uint8]
    script: str
    max_cycles: int
    memory: MemoryTiming
    stalls: StallProbabilities = NO_STALLS
    seed: int = 0
    """Of the registers and memories that have no reset; 0: they start at 0."""


class Fleet:
    """Up to `cores` cores of `config` at once; a core that is done takes the next job.

    All of them are one class of the simulator lanes: one vector a wire of the core. Bits and cycles of a job are those
    of `Machine`, whatever runs beside it. For cores of a few PEs; a large one fills the lanes by itself.

    Does not: observe, log, or start several programs without a reset.
    """

    def __init__(self, *, config: CoreConfig, cores: int = MOST_CORES, form: str | None = None) -> None:
        self.config, self._form = config, form
        self.cores = min(cores, most_cores(form))
        self._built: BuiltMachine | None = None

    def build(self, progress: bool = False) -> BuiltMachine:
        """Generate and compile, or take what an earlier build left."""
        if self._built is None:
            with built_under_a_bar(self.config.name, progress) as report:
                folder, reused, seconds = build_lanes(
                    lambda: Core(config=self.config),
                    identity=core_identity(self.config, observe="none"),
                    name=f"{self.config.name}-x{self.cores}",
                    folder=MACHINES,
                    form=self._form,
                    cores=self.cores,
                    memory_bytes=MEMORY_BYTES,
                    report=report,
                )
            self._built = BuiltMachine(folder=folder, command=[str(folder / PROGRAM)], reused=reused, seconds=seconds)
        return self._built

    def run(self, jobs: Sequence[Job], report: Callable[[int], None] | None = None) -> list[RunResult | MachineError]:
        """The results in the order of the jobs, an error where a job had one; `report` gets the jobs that are done."""
        command = self.build().command
        files = [
            RunFiles(self.config, job.image, job.script, limit=MEMORY_BYTES, timing=job.memory, stalls=job.stalls)
            for job in jobs
        ]
        with tempfile.NamedTemporaryFile("w", dir=RUNS, suffix=".jobs", delete=False) as file:
            for job, each in zip(jobs, files, strict=True):
                file.write(" ".join([*each.arguments, f"+seed={job.seed}"]) + "\n")
        failure: MachineError | None = None
        try:
            simulate([*command, f"+jobs={Path(file.name).name}"], report)
        except MachineError as error:
            failure = error  # of some jobs; which, their files tell
        Path(file.name).unlink()
        results: list[RunResult | MachineError] = []
        for job, each in zip(jobs, files, strict=True):
            try:
                results.append(each.result(job.max_cycles))
            except MachineError as error:
                results.append(error)
            except OSError as error:
                results.append(failure or MachineError(str(error)))
        return results
