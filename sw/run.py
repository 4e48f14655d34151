"""Run a program on the golden machine."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.sim_models.golden.machine import GoldenError, Machine, Result
from makalu.spec.config import CoreConfig
from makalu.sw.compile.program import Program, ProgramError
from makalu.sw.elements import Bits

__all__ = ["Inputs", "check_preset", "run_golden", "run_golden_machine"]

Inputs = Mapping[str, ArrayLike | Bits]
"""Values, or element bits, by the name of the input."""


def run_golden(
    program: Program, inputs: Inputs, *, config: CoreConfig, seed: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Outputs by name. Strict: reads of what was never written, illegal instructions and deadlocks raise."""
    return program.read(run_golden_machine(program, inputs, config=config, seed=seed).memory)


def run_golden_machine(
    program: Program,
    inputs: Inputs,
    *,
    config: CoreConfig,
    seed: int | None = None,
    report: Callable[[int], None] | None = None,
) -> Result:
    """All images after the run; errors as `run_golden`. `report` hears how many instructions have issued."""
    check_preset(program, config)
    try:
        return Machine(config).run(
            program.image(inputs), program.addresses, seed=seed, report=report, random=program.random_seed
        )
    except GoldenError as error:
        origin = None if error.queue is None else program.origin(error.queue, error.address)
        if origin is None:
            raise
        raise type(error)(f"{error} ({origin})", queue=error.queue, address=error.address) from error


def check_preset(program: Program, config: CoreConfig) -> None:
    """Errors: `ProgramError` for a program of another configuration."""
    if config.digest != program.digest:
        raise ProgramError(f"the program was compiled for preset {program.preset}, not for {config.name}")
