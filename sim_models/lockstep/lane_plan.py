"""What an instruction of Vector or Scalar will touch, in order, before any cycle is known."""

from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMAT_OF_CODE, FP32, Format
from makalu.spec.isa import AP_DIMS, AluOp, Function, Opcode, Space

from ..golden.walker import addresses

__all__ = ["DestinationPlan", "LanePlan", "SourcePlan", "lane_plan"]


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """One entry an element; `reads` is the SBUF word or PSUM element to ask for, None if the element is there."""

    psum: bool
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
    """An instruction, decoded: `setup` as the lanes get it, sources (src1 may be absent) and destination."""

    setup: dict[str, int | tuple[int, ...]]
    source0: SourcePlan
    source1: SourcePlan | None
    once: bool
    """src1 is one value a partition."""
    destination: DestinationPlan


def _pattern(instruction: Instruction, slot: str) -> tuple[Format, list[int]]:
    form = FORMAT_OF_CODE[instruction[f"{slot}_dtype"]]
    sizes = [instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)]
    strides = [instruction[f"{slot}_stride{d}"] for d in range(AP_DIMS)]
    return form, [int(a) for a in addresses(instruction[f"{slot}_offset"], form.bytes, sizes, strides)]


def _source(instruction: Instruction, slot: str, config: CoreConfig) -> SourcePlan:
    _, places = _pattern(instruction, slot)
    width = config.sbuf.word_bytes
    psum = instruction[f"{slot}_space"] == Space.PSUM
    reads: list[int | None] = []
    for i, place in enumerate(places):
        if psum:
            reads.append(place // FP32.bytes)
        else:
            reads.append(None if i and place // width == places[i - 1] // width else place // width)
    return SourcePlan(psum=psum, reads=tuple(reads), positions=tuple(place % width for place in places))


def _destination(instruction: Instruction, config: CoreConfig) -> DestinationPlan:
    form, places = _pattern(instruction, "dst")
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
    opcode = instruction.opcode
    once = bool(instruction["operand0_tensor"])
    second = once or opcode == Opcode.TENSOR_TENSOR
    activation = opcode == Opcode.ACTIVATION
    setup: dict[str, int | tuple[int, ...]] = {
        "psum": tuple(int(instruction[f"{slot}_space"] == Space.PSUM) for slot in ("src0", "src1")),
        "dtype": tuple(instruction[f"{slot}_dtype"] for slot in ("src0", "src1")),
        "dst_dtype": instruction["dst_dtype"],
        "op": (int(AluOp.MULTIPLY), int(AluOp.ADD)) if activation else (instruction["op0"], instruction["op1"]),
        "reverse": (instruction["reverse0"], instruction["reverse1"]),
        "from_src1": (0, int(once)) if activation else (int(second), 0),
        "immediate": (instruction["immediate0"], instruction["immediate1"]),
        "relu": int(activation and instruction["function"] == Function.RELU),
        "start": instruction["dst_partition"],
        "count": instruction["partitions"],
    }
    return LanePlan(
        setup=setup,
        source0=_source(instruction, "src0", config),
        source1=_source(instruction, "src1", config) if second else None,
        once=once,
        destination=_destination(instruction, config),
    )
