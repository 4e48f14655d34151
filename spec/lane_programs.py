"""What Vector and Scalar compute, once: a row an opcode, the lane program.

RTL (`hw/lanes`), golden, lockstep and timing model each read these rows; none of them names an opcode. Who executes an
opcode, which operands it has and of which types stands in its row of `isa.py`; codes of operators and functions too.

    data   = the input `data`                            of each element of dst
    data   = op(data, operand), or op(operand, data)     step after step, each rounds once
    dst    = cast(function(data))                        element by element

Does not: say what an operator or a function computes (`sim_models/golden/lanes.py`), nor when (`docs/blocks/lanes.md`).
"""

from dataclasses import dataclass
from enum import IntEnum

from .config import CoreConfig
from .engines import CHANNELS
from .isa import FIELDS, INSTRUCTIONS, AluOp, Function, Opcode
from .lanes import SOURCES, STEPS

__all__ = [
    "LANE_PROGRAMS",
    "LaneInput",
    "LaneProgram",
    "LaneSource",
    "LaneStep",
    "data_inputs",
    "grouping",
    "lane_programs",
    "operand_inputs",
]


class LaneInput(IntEnum):
    """Where a value comes from. A source that the instruction leaves out (`LaneSource.when`) is an IMMEDIATE."""

    IMMEDIATE = 0
    """`immediate0` as data and in step 0, `immediate1` in step 1: the same for all elements."""
    SRC0 = 1
    SRC1 = 2
    LIFT = 3
    """2^LIFTED where the data is a subnormal, else 1: what is multiplied by it is no subnormal. The scale of its group
    takes it back (`LaneProgram.grouped`): as a value it is 1."""

    @property
    def slot(self) -> str:
        """The operand slot; of IMMEDIATE and LIFT none."""
        return self.name.lower() if self in (LaneInput.SRC0, LaneInput.SRC1) else ""


@dataclass(frozen=True)
class LaneSource:
    """An operand that is read: one element for each of dst, or one value a partition."""

    slot: str
    """A name of `SOURCES`."""
    once: bool = False
    """[P, 1]: read before anything is written, kept for all elements."""
    when: str = ""
    """Read only while this field is not 0; empty: always."""


@dataclass(frozen=True)
class LaneStep:
    """op(data, operand); names of fields are strings."""

    op: AluOp | str = AluOp.BYPASS
    """Fixed, or in a field."""
    operand: LaneInput = LaneInput.IMMEDIATE
    """Behind step 0 no source that has an element for each of dst: a lane keeps only one value that long."""
    reverse: str = ""
    """Field that says op(operand, data); empty: never."""


@dataclass(frozen=True)
class LaneProgram:
    """One row: what an opcode of Vector or Scalar does to each element. It may read no source at all."""

    opcode: Opcode
    steps: tuple[LaneStep, ...] = (LaneStep(),) * STEPS
    function: Function | str = Function.IDENTITY
    """Fixed, or in a field."""
    data: LaneInput = LaneInput.SRC0
    grouped: bool = False
    """What the function gives is divided by the scale of its group, which goes to a destination of its own
    (`spec/quantize.py`). The elements of a group enter the pipeline right behind each other."""

    @property
    def engine(self) -> str:
        """A name of `ACCESS_ENGINES`."""
        channel = INSTRUCTIONS[self.opcode].channel
        assert channel is not None, f"{self.opcode.name} has a lane program, so an engine executes it"
        return CHANNELS[channel].engine

    def there(self, config: CoreConfig) -> bool:
        """The core has the opcode."""
        return INSTRUCTIONS[self.opcode].there(config)

    @property
    def sources(self) -> tuple[LaneSource, ...]:
        """What is read, in the order of `SOURCES`; from the opcode's operands."""
        operands = INSTRUCTIONS[self.opcode].operands
        return tuple(
            LaneSource(slot, once=True, when="operand0_tensor") if operands[slot].scalar else LaneSource(slot)
            for slot in SOURCES
            if slot in operands and not operands[slot].written
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the instruction that the program looks at, beside those of operands."""
        optional = {source.slot: source.when for source in self.sources if source.when}
        used = set(optional.values())
        for n, step in enumerate(self.steps):
            takes = [self.data] * (n == 0) + [step.operand] * (step.op != AluOp.BYPASS)
            used |= {f"immediate{n}" for taken in takes if taken is LaneInput.IMMEDIATE or taken.slot in optional}
            used |= {name for name in (step.op, step.reverse) if name and isinstance(name, str)}
        used |= {self.function} if isinstance(self.function, str) else set()
        used |= {"scale_rule"} if self.grouped else set()
        return tuple(name for name in FIELDS if name in used)


_SRC1 = LaneInput.SRC1

LANE_PROGRAMS: dict[Opcode, LaneProgram] = {
    row.opcode: row
    for row in (
        LaneProgram(Opcode.TENSOR_COPY),
        LaneProgram(Opcode.TENSOR_TENSOR, (LaneStep("op0", _SRC1), LaneStep())),
        LaneProgram(
            Opcode.TENSOR_SCALAR, (LaneStep("op0", _SRC1, reverse="reverse0"), LaneStep("op1", reverse="reverse1"))
        ),
        LaneProgram(Opcode.MEMSET, data=LaneInput.IMMEDIATE),
        LaneProgram(Opcode.QUANTIZE_MX, (LaneStep(), LaneStep(AluOp.MULTIPLY, LaneInput.LIFT)), grouped=True),
        LaneProgram(Opcode.ACTIVATION, (LaneStep(AluOp.MULTIPLY), LaneStep(AluOp.ADD, _SRC1)), function="function"),
    )
}


def lane_programs(engine: str, config: CoreConfig) -> tuple[LaneProgram, ...]:
    """The rows of an engine, a name of `ACCESS_ENGINES`, that the core has."""
    return tuple(row for row in LANE_PROGRAMS.values() if row.engine == engine and row.there(config))


def data_inputs(*, grouped: bool = False) -> tuple[LaneInput, ...]:
    """What the data of some row is: what a lane must be able to choose from, in the order of the codes.

    `grouped`: a lane of an engine that has rows which scale in groups.
    """
    return tuple(sorted({row.data for row in _rows(grouped)}))


def operand_inputs(*, grouped: bool = False) -> tuple[LaneInput, ...]:
    """What an operand of some step of some row is, an IMMEDIATE always, in the order of the codes."""
    return tuple(sorted({step.operand for row in _rows(grouped) for step in row.steps} | {LaneInput.IMMEDIATE}))


def grouping(engine: str, config: CoreConfig) -> bool:
    """Some row of the engine scales in groups."""
    return any(row.grouped for row in lane_programs(engine, config))


def _rows(grouped: bool) -> list[LaneProgram]:
    return [row for row in LANE_PROGRAMS.values() if grouped or not row.grouped]
