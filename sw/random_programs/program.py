"""Random legal programs: every opcode, ragged sizes, signed and zero strides, all queues at once, one defined result.

A program is recorded through the front end, so allocator and scheduler make it free of races; the generator makes it
free of reads of what was never written. The golden image is then the oracle for the RTL.
"""

from dataclasses import dataclass, replace

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32, SINGLES, Format
from makalu.spec.isa import Queue

from ..compile.compiler import compile_trace
from ..compile.program import Program
from ..compile.rounding import stochastic
from ..elements import Bits
from ..nki.recording import current
from ..nki.tensor import Tensor
from ..nki.tracing import TensorSpec, trace
from .data import decorated, random_bits
from .matmuls import RandomMatmuls
from .moves import RandomMoves
from .sparse import RandomSparse
from .tiles import RandomTiles
from .tiling import RandomTiling

__all__ = ["RandomProgram", "random_program"]

TYPES = 3
"""Element types of a program: fp32, the array's first and another one."""


@dataclass(frozen=True, kw_only=True)
class RandomProgram:
    """A program, its inputs as element bits, and the seed that makes both."""

    config: CoreConfig
    seed: int
    program: Program
    inputs: dict[str, Bits]


def random_program(config: CoreConfig, *, seed: int, instructions: int = 60, elements: int = 64) -> RandomProgram:
    """About `instructions` instructions, each of at most `elements` elements a partition."""
    random, *own = (np.random.default_rng(each) for each in (seed, [seed, 1], [seed, 2]))
    tiles = RandomTiles(config, random, elements, _forms(config, random))
    kernel = _Recorder(tiles, RandomTiling(config, *own), instructions).kernel
    traced = trace(kernel, config, **{form.name: TensorSpec((tiles.inputs,), form) for form in tiles.forms})
    program = compile_trace(traced, whole_outputs=False, transform=lambda queues: decorated(queues, config, random))
    inputs = {form.name: Bits(random_bits(random, form, tiles.inputs)) for form in tiles.forms}
    if config.stochastic:
        rounded = stochastic(program, config, which=lambda _: bool(random.random() < 1 / 2))
        program = replace(rounded, random_seed=0)  # as a reset leaves the register: any host starts it
    return RandomProgram(config=config, seed=seed, program=program, inputs=inputs)


def _forms(config: CoreConfig, random: np.random.Generator) -> tuple[Format, ...]:
    """Up to `TYPES` of the core's types."""
    always = [FP32, SINGLES[0]]
    others = [form for form in config.elements if form not in always]
    chosen = random.permutation(len(others))[: TYPES - len(always)]
    return (*always, *(others[i] for i in chosen))


class _Recorder:
    """Records one random kernel."""

    def __init__(self, tiles: RandomTiles, tiling: RandomTiling, instructions: int) -> None:
        self._tiles, self._budget = tiles, instructions
        self._moves, self._matmuls = RandomMoves(tiles), RandomMatmuls(tiles, tiling)
        self._sparse = RandomSparse(tiles, tiling)

    def kernel(self, **sources: Tensor) -> tuple[Tensor, ...]:
        tiles = self._tiles
        tiles.begin({form: sources[form.name] for form in tiles.forms})
        self._matmuls.overwrite()
        steps = [*self._moves.often * 2, *self._matmuls.steps, *self._sparse.steps, tiles.new_tile, *self._moves.seldom]
        while current().count < self._budget - tiles.closing - len(Queue):
            steps[int(tiles.random.integers(len(steps)))]()
        return tiles.close()
