"""Run a program on the golden machine."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.isa import Queue
from makalu.sim_models.golden.machine import GoldenError, Machine, Result

from .program import Program, ProgramError

__all__ = ["run_golden", "run_golden_machine"]

_PLACE = re.compile(r"(\w+) at (0x[0-9a-f]+): ")
"""How golden says which instruction of which queue it refuses."""


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
    try:
        return Machine(config).run(program.image(inputs), program.addresses, seed=seed)
    except GoldenError as error:
        place = _PLACE.match(str(error))
        origin = program.origin(Queue[place[1].upper()], int(place[2], 16)) if place else None
        if origin is None:
            raise
        raise type(error)(f"{error} ({origin})") from error
