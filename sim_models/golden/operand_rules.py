"""The rules of where an operand lies and what it is made of, as text; those of the array: `tensor_rules.py`."""

from collections.abc import Iterator

from makalu.spec.isa import MEMORY_DIMS, OperandRule, Space
from makalu.spec.operand import counted_elements
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.random_bits import SHORTER
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant

from .place import Place, Readings, places

__all__ = ["OPERAND_READINGS"]


def _kind(place: Place) -> Iterator[str]:
    slot, allowed, space, code = place.slot, place.allowed, place["space"], place["dtype"]
    if space not in allowed.spaces:
        yield f"{slot}_space must be one of {[s.name for s in allowed.spaces]}, not {space}"
    types = allowed.types(place.config)
    if code not in [form.code for form in types]:
        yield f"{slot}_dtype must be one of {[form.name for form in types]}, not {code}"


def _filled(place: Place) -> Iterator[str]:
    if 0 in place.sizes:
        yield f"{place.slot} has a size of 0 in {place.sizes}"


def _within(place: Place) -> Iterator[str]:
    end, partitions = place["partition"] + place.count, place.config.partitions
    if end > partitions:
        yield f"{place.slot} ends at partition {end}, the core has {partitions}"


def _aligned(place: Place) -> Iterator[str]:
    size = place.pattern.format.bytes
    if place["offset"] % size:
        yield f"{place.slot}_offset must be a multiple of {size}, not {place['offset']}"


def _in_sbuf(place: Place) -> Iterator[str]:
    yield from place.leaves(Space.SBUF, place.config.sbuf.partition_bytes)


def _in_psum(place: Place) -> Iterator[str]:
    yield from place.leaves(Space.PSUM, place.config.psum.partition_bytes)


def _bounded(place: Place) -> Iterator[str]:
    most, elements = place.config.sequencer.elements, counted_elements(place.sizes)
    if elements > most:
        yield f"{place.slot} has sizes {place.sizes}, rounded up to powers of two {elements} elements, at most {most}"


def _same_sizes(place: Place) -> Iterator[str]:
    first = next(p for p in places(place.instruction, place.config) if not p.allowed.scalar)
    if place.sizes != first.sizes:
        yield f"{place.slot} has sizes {place.sizes} and {first.slot} has {first.sizes}; they must be equal"


def _quarter_sizes(place: Place) -> Iterator[str]:
    first = next(places(place.instruction, place.config))
    if (place.sizes[0] * GROUP_ELEMENTS, *place.sizes[1:]) != first.sizes:
        yield (
            f"{place.slot} has sizes {place.sizes} and {first.slot} has {first.sizes}; size0 must be a quarter of that,"
            " the others equal"
        )


def _one_element(place: Place) -> Iterator[str]:
    if set(place.sizes) != {1}:
        yield f"{place.slot} holds one element a partition, not {place.sizes}"


def _one_line(place: Place) -> Iterator[str]:
    if set(place.sizes[1:]) != {1}:
        yield f"{place.slot} has one dimension, not {place.sizes}"


def _whole_quadrants(place: Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, quadrant(place.config)
    if first % whole or count % whole:
        yield f"{place.slot} has partitions {first} to {first + count - 1}, they come by {whole}"


def _of_quadrants(place: Place) -> Iterator[str]:
    offset = place["partition"] - place.instruction["src0_partition"]
    some = list(range(0, largest_offset(place.config) + 1, OFFSET_STEP))
    if offset not in some:
        yield f"{place.slot} must begin at {some} partitions above src0, not {offset}"


def _same_partition(place: Place) -> Iterator[str]:
    starts = {p.slot: p["partition"] for p in places(place.instruction, place.config)}
    if place["partition"] != starts["dst"]:
        yield f"operands must start in the same partition, not in {starts}"


def _same_source(place: Place) -> Iterator[str]:
    source = place.instruction["src0_partition"]
    if place["partition"] != source:
        yield f"{place.slot}_partition must be that of src0, {source}, not {place['partition']}"


def _word_aligned(place: Place) -> Iterator[str]:
    word = place.config.sbuf.word_bytes
    if place["offset"] % word:
        yield f"{place.slot}_offset must be a multiple of {word}, not {place['offset']}"


def _unit_stride(place: Place) -> Iterator[str]:
    if place["stride0"] != 1:
        yield f"{place.slot}_stride0 must be 1, not {place['stride0']}"


def _one_bank(place: Place) -> Iterator[str]:
    (low, high), bank = place.pattern.extent, place.config.psum.bank_bytes
    if low // bank != high // bank:
        yield f"{place.slot} covers bytes {low} to {high}, more than one bank of {bank}"


def _shorter(place: Place) -> Iterator[str]:
    if place.instruction["rounding"] and place["dtype"] not in [form.code for form in SHORTER]:
        names = [form.name for form in SHORTER]
        yield f"{place.slot}_dtype must be one of {names} when rounded stochastically, not {place['dtype']}"


def _in_memory(place: Place) -> Iterator[str]:
    extents, address, bits = (*place.sizes, place.count), place.instruction["address"], place.config.bus.address_bits
    strides = [place.instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)]
    reach = [(size - 1) * stride for size, stride in zip(extents, strides, strict=True)]
    low = address + sum(min(0, step) for step in reach)
    high = address + sum(max(0, step) for step in reach) + place.pattern.format.bytes - 1
    if low < 0 or high >= 1 << bits:
        yield f"covers memory {low:#x} to {high:#x}, the bus has {bits} address bits"


OPERAND_READINGS: Readings = {
    OperandRule.KIND: _kind,
    OperandRule.FILLED: _filled,
    OperandRule.WITHIN: _within,
    OperandRule.ALIGNED: _aligned,
    OperandRule.IN_SBUF: _in_sbuf,
    OperandRule.IN_PSUM: _in_psum,
    OperandRule.BOUNDED: _bounded,
    OperandRule.SAME_SIZES: _same_sizes,
    OperandRule.QUARTER_SIZES: _quarter_sizes,
    OperandRule.ONE_ELEMENT: _one_element,
    OperandRule.ONE_LINE: _one_line,
    OperandRule.WHOLE_QUADRANTS: _whole_quadrants,
    OperandRule.OF_QUADRANTS: _of_quadrants,
    OperandRule.SAME_PARTITION: _same_partition,
    OperandRule.SAME_SOURCE: _same_source,
    OperandRule.WORD_ALIGNED: _word_aligned,
    OperandRule.UNIT_STRIDE: _unit_stride,
    OperandRule.ONE_BANK: _one_bank,
    OperandRule.SHORTER: _shorter,
    OperandRule.IN_MEMORY: _in_memory,
}
"""By rule."""
