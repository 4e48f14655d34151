"""What an instruction of Vector or Scalar will touch, in order, before any cycle is known."""

from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMAT_OF_CODE, Format
from makalu.spec.isa import AP_DIMS, Space
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput, LaneSource, data_inputs, grouping, operand_inputs
from makalu.spec.lanes import SCALES, SOURCES, STEPS
from makalu.spec.memory_map import PSUM_WORD_BITS
from makalu.spec.quantize import ScaleRule, dropped

from ..golden.walker import addresses

__all__ = ["DestinationPlan", "LanePlan", "SourcePlan", "lane_plan"]


_PSUM_WORD = PSUM_WORD_BITS // 8


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """One entry an element; `reads` is the SBUF or PSUM word to ask for, None if the element is there."""

    psum: bool
    once: bool
    """One value a partition, which is never popped."""
    reads: tuple[int | None, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class DestinationPlan:
    """`write_of[i]`: which write takes element i; `words`, `masks`: one entry a write."""

    positions: tuple[int, ...]
    write_of: tuple[int, ...]
    words: tuple[int, ...]
    masks: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LanePlan:
    """An instruction, decoded: `setup` as the lanes get it, sources and destination."""

    setup: dict[str, int | tuple[int, ...]]
    sources: tuple[SourcePlan | None, ...]
    """In the order of `SOURCES`; None where nothing is read, which may be so of all."""
    destination: DestinationPlan
    scales: DestinationPlan | None = None
    """Of an instruction that scales in groups: where the scales go."""


def _pattern(instruction: Instruction, slot: str) -> tuple[Format, list[int]]:
    form = FORMAT_OF_CODE[instruction[f"{slot}_dtype"]]
    sizes = [instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)]
    strides = [instruction[f"{slot}_stride{d}"] for d in range(AP_DIMS)]
    return form, [int(a) for a in addresses(instruction[f"{slot}_offset"], form.bytes, sizes, strides)]


def _source(instruction: Instruction, source: LaneSource, config: CoreConfig) -> SourcePlan:
    slot = source.slot
    _, places = _pattern(instruction, slot)
    width = config.sbuf.word_bytes
    psum = instruction[f"{slot}_space"] == Space.PSUM
    reads: list[int | None] = []
    for i, place in enumerate(places):
        if psum:
            reads.append(place // _PSUM_WORD)
        else:
            reads.append(None if i and place // width == places[i - 1] // width else place // width)
    positions = tuple(place % (_PSUM_WORD if psum else width) for place in places)
    return SourcePlan(psum=psum, once=source.once, reads=tuple(reads), positions=positions)


def _destination(instruction: Instruction, slot: str, config: CoreConfig) -> DestinationPlan:
    form, places = _pattern(instruction, slot)
    width = config.sbuf.word_bytes
    words: list[int] = []
    masks: list[int] = []
    write_of: list[int] = []
    for place in places:
        if not words or words[-1] != place // width:
            words.append(place // width)
            masks.append(0)
        masks[-1] |= ((1 << form.bytes) - 1) << (place % width)
        write_of.append(len(words) - 1)
    return DestinationPlan(
        positions=tuple(place % width for place in places),
        write_of=tuple(write_of),
        words=tuple(words),
        masks=tuple(masks),
    )


def lane_plan(instruction: Instruction, config: CoreConfig) -> LanePlan:
    """Plan of a legal instruction of the Vector or Scalar queue."""
    program = LANE_PROGRAMS[instruction.opcode]
    grouped = grouping(program.engine, config)
    read = {source.slot: source for source in program.sources if not source.when or instruction[source.when]}

    def value(named: int | str) -> int:
        return instruction[named] if isinstance(named, str) else int(named)

    def choice(taken: LaneInput, inputs: tuple[LaneInput, ...]) -> int:
        """Index among what a lane can choose from; an operand that is left out is the immediate."""
        return inputs.index(taken if not taken.slot or taken.slot in read else LaneInput.IMMEDIATE)

    setup: dict[str, int | tuple[int, ...]] = {
        "psum": tuple(int(instruction[f"{slot}_space"] == Space.PSUM) for slot in SOURCES),
        "dtype": tuple(instruction[f"{slot}_dtype"] for slot in SOURCES),
        "dst_dtype": instruction["dst_dtype"],
        "op": tuple(value(step.op) for step in program.steps),
        "reverse": tuple(value(step.reverse or 0) for step in program.steps),
        "data": choice(program.data, data_inputs(grouped=grouped)),
        "operand": tuple(choice(step.operand, operand_inputs(grouped=grouped)) for step in program.steps),
        "immediate": tuple(instruction[f"immediate{n}"] for n in range(STEPS)),
        "function": value(program.function),
        "start": instruction["dst_partition"],
        "count": instruction["partitions"],
    }
    if grouped:
        form, rule = FORMAT_OF_CODE[instruction["dst_dtype"]], instruction["scale_rule"]
        setup["grouped"] = int(program.grouped)
        setup["dropped"] = dropped(form, ScaleRule(rule)) if program.grouped else 0
        setup["scale_start"] = instruction[f"{SCALES}_partition"] if program.grouped else 0
    if config.stochastic:
        setup["rounding"] = instruction["rounding"]
    return LanePlan(
        setup=setup,
        sources=tuple(_source(instruction, read[slot], config) if slot in read else None for slot in SOURCES),
        destination=_destination(instruction, "dst", config),
        scales=_destination(instruction, SCALES, config) if program.grouped else None,
    )
