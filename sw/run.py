"""Run a program on the golden machine."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.hw.spec.config import CoreConfig
from makalu.sim_models.golden.machine import Machine, Result

from .program import Program, ProgramError

__all__ = ["run_golden", "run_golden_machine"]


def run_golden(
    program: Program, inputs: Mapping[str, ArrayLike], *, config: CoreConfig, seed: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Outputs by name. Strict: reads of what was never written, illegal instructions and deadlocks raise."""
    return program.read(run_golden_machine(program, inputs, config=config, seed=seed).memory)


def run_golden_machine(
    program: Program, inputs: Mapping[str, ArrayLike], *, config: CoreConfig, seed: int | None = None
) -> Result:
    """All images after the run; errors as `run_golden`."""
    if config.digest != program.digest:
        raise ProgramError(f"the program was compiled for preset {program.preset}, not for {config.name}")
    return Machine(config).run(program.image(inputs), program.addresses, seed=seed)
