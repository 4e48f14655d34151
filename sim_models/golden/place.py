"""An operand of an instruction as the rules look at it: its fields, its extent, and the load in front of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import Format
from makalu.spec.isa import AP_DIMS, INSTRUCTIONS, Operand, OperandRule, Space
from makalu.spec.tensor_modes import MODES, Mode, TensorMode

from .operand import OperandPattern, operand

__all__ = ["Loaded", "Place", "Readings", "places", "used"]

_MODES = {int(mode): row for mode, row in MODES.items()}


class Loaded(NamedTuple):
    """What a matmul must know of the last legal load."""

    form: Format | None
    """None: there was no load yet, and any type may be multiplied with what the registers hold."""
    mode: Mode
    ratio: int = 0
    """Of a load_sparse."""
    waits: bool = False
    """It has no matmul yet."""


@dataclass(frozen=True)
class Place:
    """An operand of an instruction, with what the table allows in its slot."""

    instruction: Instruction
    slot: str
    allowed: Operand
    config: CoreConfig
    loaded: Loaded | None = None

    def __getitem__(self, field: str) -> int:
        return self.instruction[f"{self.slot}_{field}"]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(self[f"size{d}"] for d in range(AP_DIMS))

    @cached_property
    def mode(self) -> TensorMode:
        """Of the array; one that the core does not have is refused by its field's rule."""
        return _MODES.get(self.instruction["mode"], MODES[Mode.SINGLE])

    @cached_property
    def count(self) -> int:
        """Partitions over which it lies."""
        return self.instruction[self.allowed.count]

    @cached_property
    def pattern(self) -> OperandPattern:
        return operand(self.instruction, self.slot, count=self.count)

    def leaves(self, space: Space, limit: int) -> Iterator[str]:
        if self["space"] == space:
            low, high = self.pattern.extent
            if low < 0 or high >= limit:
                yield f"{self.slot} covers bytes {low} to {high}, a partition of {space.name} has {limit}"


Readings = Mapping[OperandRule, Callable[[Place], Iterable[str]]]
"""What each rule has to say about an operand: a sentence for each thing that is wrong."""


def places(instruction: Instruction, config: CoreConfig, loaded: Loaded | None = None) -> Iterator[Place]:
    """The operand slots that this instruction uses."""
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if used(allowed, instruction):
            yield Place(instruction, slot, allowed, config, loaded)


def used(allowed: Operand, instruction: Instruction) -> bool:
    return allowed.when is None or instruction[allowed.when[0]] == allowed.when[1]
