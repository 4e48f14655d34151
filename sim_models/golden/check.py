"""The rules that an instruction must keep, as text: software refuses what the hardware refuses.

The rows are those of `spec/operand.py` and `spec/field_rules.py`; here is what each means, and the sentence that names
rule and value. The code of a violation is the first in `PRECEDENCE` of all the rules that the instruction breaks, so
it does not depend on the order in which they are looked at.

Decisions where the tables are silent:

- An operand that the instruction does not have (`src1` while `operand0_tensor` is 0) must be all zeros: RESERVED.
- `op1` of `tensor_scalar` may be BYPASS; so may `op0`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, InstructionError, decode, field_value, foreign
from makalu.spec.errors import PRECEDENCE, ErrorCode
from makalu.spec.field_rules import FieldRule, field_rules
from makalu.spec.formats import FORMAT_OF_CODE, Format
from makalu.spec.isa import (
    AP_DIMS,
    FIELDS,
    INSTRUCTIONS,
    MEMORY_DIMS,
    Opcode,
    Operand,
    OperandRule,
    Queue,
    Space,
)
from makalu.spec.operand import counted_elements
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.random_bits import SHORTER
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant
from makalu.spec.sparsity import RATIO_LIMIT
from makalu.spec.tensor_modes import MODES, Mode, TensorMode
from makalu.spec.tensor_types import MIXING, TRANSPOSES, mixable

from .operand import OperandPattern, operand

__all__ = ["READINGS", "Loaded", "QueueCheck", "Violation", "check", "check_bytes", "loaded_by"]

Violation = tuple[ErrorCode, str]
"""The code that the hardware reports, and a sentence that names rule and value."""

_MODES = {int(mode): row for mode, row in MODES.items()}
_NONE: Violation = (ErrorCode.NONE, "")


class Loaded(NamedTuple):
    """What a matmul must know of the last legal load."""

    form: Format | None
    """None: there was no load yet, and any type may be multiplied with what the registers hold."""
    mode: Mode
    ratio: int = 0
    """Of a load_sparse."""
    waits: bool = False
    """It has no matmul yet."""


class QueueCheck:
    """`check_bytes` of the instructions of one queue, in their order: a rule may look at what came before."""

    def __init__(self, queue: Queue, config: CoreConfig) -> None:
        self.queue, self.config = queue, config
        self.loaded: Loaded | None = Loaded(None, Mode.SINGLE)

    def __call__(self, data: bytes) -> Violation:
        violation = check_bytes(data, self.queue, self.config, loaded=self.loaded)
        if violation == _NONE:
            self.loaded = loaded_by(decode(data), self.loaded)
        return violation


def loaded_by(instruction: Instruction, before: Loaded | None) -> Loaded | None:
    """The last load of a stationary tile behind a legal instruction; `before`: in front of it."""
    if instruction.opcode == Opcode.LOAD_SPARSE:
        return Loaded(FORMAT_OF_CODE[instruction["src0_dtype"]], Mode.SPARSE, instruction["ratio"], waits=True)
    if instruction.opcode == Opcode.MATMUL and before is not None:
        return before._replace(waits=False)
    if instruction.opcode != Opcode.LOAD_STATIONARY:
        return before
    return Loaded(FORMAT_OF_CODE[instruction["src0_dtype"]], Mode(instruction["mode"]), waits=True)


def check_bytes(data: bytes, queue: Queue, config: CoreConfig, *, loaded: Loaded | None = None) -> Violation:
    """`check` of an encoded instruction; reports unknown opcodes and reserved bits too."""
    word = int.from_bytes(data, "little")
    if (text := foreign(word)) is not None:
        return ErrorCode.VERSION, text
    code = field_value(word, "opcode")
    if code not in Opcode._value2member_map_:
        return ErrorCode.OPCODE, f"opcode {code:#04x} is unknown"
    opcode = Opcode(code)
    if queue not in INSTRUCTIONS[opcode].queues:
        return _wrong_queue(opcode, queue)
    if not INSTRUCTIONS[opcode].there(config):
        return _not_there(opcode, config)
    try:
        instruction = decode(data)
    except InstructionError as error:
        return ErrorCode.RESERVED, str(error)
    return check(instruction, queue, config, loaded=loaded)


def check(instruction: Instruction, queue: Queue, config: CoreConfig, *, loaded: Loaded | None = None) -> Violation:
    """(NONE, "") for a legal instruction, else the code that goes before the others that apply, and its sentence.

    `loaded`: the queue's load before it; None where there is none, or it is not looked at.
    """
    if queue not in INSTRUCTIONS[instruction.opcode].queues:
        return _wrong_queue(instruction.opcode, queue)
    if not INSTRUCTIONS[instruction.opcode].there(config):
        return _not_there(instruction.opcode, config)
    readings: list[tuple[ErrorCode, Iterable[str]]] = [
        (ErrorCode.RESERVED, _unused_slots(instruction)),
        (ErrorCode.RESERVED, _absent_fields(instruction, config)),
    ]
    readings += [(rule.code, _field(rule, instruction, config)) for rule in field_rules(instruction.opcode)]
    for place in _places(instruction, config, loaded):
        readings += [(rule.code, READINGS[rule](place)) for rule in place.allowed.rules]
    # lazily: a reading may rest on the rules of the codes below its own
    for code, texts in sorted(readings, key=lambda reading: PRECEDENCE.index(reading[0])):
        for text in texts:
            return code, f"{instruction.opcode.name.lower()}: {text}"
    return _NONE


def _wrong_queue(opcode: Opcode, queue: Queue) -> Violation:
    return ErrorCode.OPCODE, f"{opcode.name.lower()} does not run on the {queue.name.lower()} queue"


def _not_there(opcode: Opcode, config: CoreConfig) -> Violation:
    return ErrorCode.OPCODE, f"{opcode.name.lower()} is no instruction of preset {config.name}"


def _absent_fields(instruction: Instruction, config: CoreConfig) -> Iterator[str]:
    for f in FIELDS.values():
        if f.feature and f.feature not in config.features and instruction[f.name]:
            yield f"{f.name} must be 0 on preset {config.name}, which has no {f.feature}, not {instruction[f.name]}"


def _unused_slots(instruction: Instruction) -> Iterator[str]:
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if not _used(allowed, instruction):
            assert allowed.when is not None
            field, value = allowed.when[0], instruction[allowed.when[0]]
            for name in FIELDS:
                if name.startswith(f"{slot}_") and instruction[name]:
                    yield f"{name} must be 0 while {field} is {value}, not {instruction[name]}"


def _used(allowed: Operand, instruction: Instruction) -> bool:
    return allowed.when is None or instruction[allowed.when[0]] == allowed.when[1]


def _field(rule: FieldRule, instruction: Instruction, config: CoreConfig) -> Iterator[str]:
    value, high = instruction[rule.field], rule.high(config)
    gaps = rule.gaps(config)
    if (rule.low <= value <= high and value not in gaps) or (rule.when and not instruction[rule.when]):
        return
    if gaps and value in gaps:
        yield f"{rule.field} {value} is not one that the core has"
        return
    if rule.names is not None:
        yield f"{rule.field} must be one of {[member.name for member in rule.names]}, not {value}"
    elif rule.when and not high:
        yield f"{rule.field} must be 0 while {rule.when} is {instruction[rule.when]}, not {value}"
    elif rule.low:
        yield f"{rule.field} must be from {rule.low} to {high}, not {value}"
    else:
        yield f"{rule.field} must be below {high + 1}, not {value}"


@dataclass(frozen=True)
class _Place:
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


def _places(instruction: Instruction, config: CoreConfig, loaded: Loaded | None = None) -> Iterator[_Place]:
    """The operand slots that this instruction uses."""
    for slot, allowed in INSTRUCTIONS[instruction.opcode].operands.items():
        if _used(allowed, instruction):
            yield _Place(instruction, slot, allowed, config, loaded)


def _kind(place: _Place) -> Iterator[str]:
    slot, allowed, space, code = place.slot, place.allowed, place["space"], place["dtype"]
    if space not in allowed.spaces:
        yield f"{slot}_space must be one of {[s.name for s in allowed.spaces]}, not {space}"
    types = allowed.types(place.config)
    if code not in [form.code for form in types]:
        yield f"{slot}_dtype must be one of {[form.name for form in types]}, not {code}"


def _filled(place: _Place) -> Iterator[str]:
    if 0 in place.sizes:
        yield f"{place.slot} has a size of 0 in {place.sizes}"


def _within(place: _Place) -> Iterator[str]:
    end, partitions = place["partition"] + place.count, place.config.partitions
    if end > partitions:
        yield f"{place.slot} ends at partition {end}, the core has {partitions}"


def _aligned(place: _Place) -> Iterator[str]:
    size = place.pattern.format.bytes
    if place["offset"] % size:
        yield f"{place.slot}_offset must be a multiple of {size}, not {place['offset']}"


def _in_sbuf(place: _Place) -> Iterator[str]:
    yield from place.leaves(Space.SBUF, place.config.sbuf.partition_bytes)


def _in_psum(place: _Place) -> Iterator[str]:
    yield from place.leaves(Space.PSUM, place.config.psum.partition_bytes)


def _bounded(place: _Place) -> Iterator[str]:
    most, elements = place.config.sequencer.elements, counted_elements(place.sizes)
    if elements > most:
        yield f"{place.slot} has sizes {place.sizes}, rounded up to powers of two {elements} elements, at most {most}"


def _same_sizes(place: _Place) -> Iterator[str]:
    first = next(p for p in _places(place.instruction, place.config) if not p.allowed.scalar)
    if place.sizes != first.sizes:
        yield f"{place.slot} has sizes {place.sizes} and {first.slot} has {first.sizes}; they must be equal"


def _quarter_sizes(place: _Place) -> Iterator[str]:
    first = next(_places(place.instruction, place.config))
    if (place.sizes[0] * GROUP_ELEMENTS, *place.sizes[1:]) != first.sizes:
        yield (
            f"{place.slot} has sizes {place.sizes} and {first.slot} has {first.sizes}; size0 must be a quarter of that,"
            " the others equal"
        )


def _one_element(place: _Place) -> Iterator[str]:
    if set(place.sizes) != {1}:
        yield f"{place.slot} holds one element a partition, not {place.sizes}"


def _tile(place: _Place) -> Iterator[str]:
    (size0, *rest), columns, rows = place.sizes, place.config.tensor.columns, place.mode.rows
    if size0 > columns or rest != [1] * (AP_DIMS - 2) + [rows]:
        behind = f" and {rows} rows in dimension {AP_DIMS - 1}" if rows > 1 else ""
        yield f"a stationary tile has 1 to {columns} columns in dimension 0{behind}, not {[size0, *rest]}"


def _row_tile(place: _Place) -> Iterator[str]:
    (size0, *rest), columns = place.sizes, place.config.tensor.columns
    if size0 > columns or set(rest) != {1}:
        yield f"a sparse tile has 1 to {columns} columns in dimension 0, not {[size0, *rest]}"


def _same_columns(place: _Place) -> Iterator[str]:
    (dst, *_), rows = _places(place.instruction, place.config), place.mode.rows
    if place.mode.tagged:
        ratio = place.sizes[-1]
        if place.sizes[:-1] != dst.sizes[:-1] or dst.sizes[-1] != 1 or not 1 <= ratio <= RATIO_LIMIT:
            yield (
                f"{place.slot} has sizes {place.sizes} and {dst.slot} has {dst.sizes}; they must be equal but for the"
                f" last: 1 to {RATIO_LIMIT} elements of a partition, and 1 there"
            )
        return
    outer = (dst.sizes[-1],) if rows == 1 else (rows,)
    if place.sizes != (*dst.sizes[:-1], *outer) or (rows > 1 and dst.sizes[-1] != 1):
        of_mode = f" but for the last: {rows}, and 1 there" if rows > 1 else ""
        yield f"{place.slot} has sizes {place.sizes} and {dst.slot} has {dst.sizes}; they must be equal{of_mode}"


def _rows_aligned(place: _Place) -> Iterator[str]:
    word, step = place.config.sbuf.word_bytes, place[f"stride{AP_DIMS - 1}"] * place.pattern.format.bytes
    if (place.mode.rows > 1 or place.mode.tagged) and step % word:
        what = "element to element" if place.mode.tagged else "row to row"
        yield f"{place.slot}_stride{AP_DIMS - 1} must be a multiple of {word} bytes from {what}, not {step}"


def _of_mode(place: _Place) -> Iterator[str]:
    mode, part = place.mode, place.instruction["part"]
    if place["dtype"] not in [form.code for form in mode.formats]:
        names = [form.name for form in mode.formats]
        yield f"{place.slot}_dtype must be one of {names} in {mode.mode.name.lower()}, not {place['dtype']}"
    if part and not mode.parts:
        yield f"part must be 0 in {mode.mode.name.lower()}, not {part}"


def _movable(place: _Place) -> Iterator[str]:
    offset, mode, part = (place.instruction[name] for name in ("exponent_offset", "mode", "part"))
    if not offset:
        return
    movable, kind = place.mode.movable, place.mode.mode.name.lower()
    if not movable:
        yield f"exponent_offset must be 0 in {kind}, not {offset}"
    elif place["dtype"] not in [form.code for form in movable]:
        names = [form.name for form in movable]
        yield f"{place.slot}_dtype must be one of {names} with exponent_offset {offset}, not {place['dtype']}"
    elif part:
        yield f"part must be 0 with exponent_offset {offset}, not {part}"


def _untagged(place: _Place) -> Iterator[str]:
    if place.mode.tagged:
        yield f"mode must not be {place.mode.mode.name.lower()}, whose tiles load_sparse loads"


def _one_line(place: _Place) -> Iterator[str]:
    if set(place.sizes[1:]) != {1}:
        yield f"{place.slot} has one dimension, not {place.sizes}"


def _quadrants(place: _Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, quadrant(place.config)
    if place.mode.scaled and (first % whole or count % whole):
        yield f"{place.slot} has partitions {first} to {first + count - 1}, in mx they come by {whole}"


def _whole_quadrants(place: _Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, quadrant(place.config)
    if first % whole or count % whole:
        yield f"{place.slot} has partitions {first} to {first + count - 1}, they come by {whole}"


def _groups(place: _Place) -> Iterator[str]:
    if place.mode.tagged:
        yield from _whole_groups(place)


def _whole_groups(place: _Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, place.config.tensor.group_rows
    if first % whole or count % whole:
        yield f"{place.slot} has partitions {first} to {first + count - 1}, in sparse they come by {whole}"


def _of_quadrants(place: _Place) -> Iterator[str]:
    offset = place["partition"] - place.instruction["src0_partition"]
    some = list(range(0, largest_offset(place.config) + 1, OFFSET_STEP))
    if offset not in some:
        yield f"{place.slot} must begin at {some} partitions above src0, not {offset}"


def _as_partitions(place: _Place) -> Iterator[str]:
    if place.sizes != (place.instruction["partitions"], *(1,) * (AP_DIMS - 1)):
        yield f"{place.slot} has sizes {place.sizes}; size0 must be the {place.instruction['partitions']} partitions"


def _as_columns(place: _Place) -> Iterator[str]:
    if place.sizes != (place.instruction["columns"], *(1,) * (AP_DIMS - 1)):
        yield f"{place.slot} has sizes {place.sizes}; size0 must be the {place.instruction['columns']} columns"


def _of_bits(place: _Place) -> Iterator[str]:
    if place.instruction["part"] not in TRANSPOSES:
        names = [f"{part.name} ({int(part)})" for part in TRANSPOSES]
        yield f"part must be one of {names}, not {place.instruction['part']}"


def _none_waits(place: _Place) -> Iterator[str]:
    if place.loaded is not None and place.loaded.waits:
        yield "the last load waits for its matmul, and a transpose would take the place of its tile"


def _column_tile(place: _Place) -> Iterator[str]:
    first, tile = place["partition"], place.config.tensor.column_tile
    if first % tile:
        yield f"{place.slot}_partition, the first PE column, must be a multiple of {tile}, not {first}"


def _columns_within(place: _Place) -> Iterator[str]:
    first, tile, columns = place.instruction["column"], place.config.tensor.column_tile, place.config.tensor.columns
    if first % tile:
        yield f"column must be a multiple of {tile}, not {first}"
    elif first + place.sizes[0] > columns:
        yield f"{place.slot} ends at column {first + place.sizes[0]}, the array has {columns}"


def _same_partition(place: _Place) -> Iterator[str]:
    starts = {p.slot: p["partition"] for p in _places(place.instruction, place.config)}
    if place["partition"] != starts["dst"]:
        yield f"operands must start in the same partition, not in {starts}"


def _same_source(place: _Place) -> Iterator[str]:
    source = place.instruction["src0_partition"]
    if place["partition"] != source:
        yield f"{place.slot}_partition must be that of src0, {source}, not {place['partition']}"


def _word_aligned(place: _Place) -> Iterator[str]:
    word = place.config.sbuf.word_bytes
    if place["offset"] % word:
        yield f"{place.slot}_offset must be a multiple of {word}, not {place['offset']}"


def _unit_stride(place: _Place) -> Iterator[str]:
    if place["stride0"] != 1:
        yield f"{place.slot}_stride0 must be 1, not {place['stride0']}"


def _one_bank(place: _Place) -> Iterator[str]:
    (low, high), bank = place.pattern.extent, place.config.psum.bank_bytes
    if low // bank != high // bank:
        yield f"{place.slot} covers bytes {low} to {high}, more than one bank of {bank}"


def _mixable(place: _Place) -> Iterator[str]:
    form, loaded = FORMAT_OF_CODE.get(place["dtype"]), place.loaded
    if loaded is None or form is None:
        return
    if loaded.form is not None and not mixable(loaded.form, form):
        yield f"{place.slot} is of {form.name} and the stationary of {loaded.form.name}; {MIXING}"
    if place.instruction["mode"] != loaded.mode:
        yield f"the mode is {place.instruction['mode']}, that of the stationary {int(loaded.mode)}; they must be equal"
    elif place.mode.tagged and place.sizes[-1] != loaded.ratio:
        its = place.sizes[-1]
        yield f"{place.slot} has {its} elements a partition, the tags of the stationary are for {loaded.ratio}"


def _addable(place: _Place) -> Iterator[str]:
    sums = place.config.tensor.sums
    if place.instruction["accumulate"] and place["dtype"] not in [form.code for form in sums]:
        names = " or ".join(form.name for form in sums)
        yield f"{place.slot}_dtype must be {names} with accumulate, not {place['dtype']}"


def _shorter(place: _Place) -> Iterator[str]:
    if place.instruction["rounding"] and place["dtype"] not in [form.code for form in SHORTER]:
        names = [form.name for form in SHORTER]
        yield f"{place.slot}_dtype must be one of {names} when rounded stochastically, not {place['dtype']}"


def _in_memory(place: _Place) -> Iterator[str]:
    extents, address, bits = (*place.sizes, place.count), place.instruction["address"], place.config.bus.address_bits
    strides = [place.instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)]
    reach = [(size - 1) * stride for size, stride in zip(extents, strides, strict=True)]
    low = address + sum(min(0, step) for step in reach)
    high = address + sum(max(0, step) for step in reach) + place.pattern.format.bytes - 1
    if low < 0 or high >= 1 << bits:
        yield f"covers memory {low:#x} to {high:#x}, the bus has {bits} address bits"


READINGS: dict[OperandRule, Callable[[_Place], Iterable[str]]] = {
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
    OperandRule.TILE: _tile,
    OperandRule.ROW_TILE: _row_tile,
    OperandRule.QUADRANTS: _quadrants,
    OperandRule.WHOLE_QUADRANTS: _whole_quadrants,
    OperandRule.GROUPS: _groups,
    OperandRule.WHOLE_GROUPS: _whole_groups,
    OperandRule.OF_QUADRANTS: _of_quadrants,
    OperandRule.AS_PARTITIONS: _as_partitions,
    OperandRule.AS_COLUMNS: _as_columns,
    OperandRule.OF_BITS: _of_bits,
    OperandRule.NONE_WAITS: _none_waits,
    OperandRule.COLUMN_TILE: _column_tile,
    OperandRule.COLUMNS_WITHIN: _columns_within,
    OperandRule.SAME_PARTITION: _same_partition,
    OperandRule.SAME_SOURCE: _same_source,
    OperandRule.WORD_ALIGNED: _word_aligned,
    OperandRule.UNIT_STRIDE: _unit_stride,
    OperandRule.ONE_BANK: _one_bank,
    OperandRule.MIXABLE: _mixable,
    OperandRule.SAME_COLUMNS: _same_columns,
    OperandRule.ROWS_ALIGNED: _rows_aligned,
    OperandRule.OF_MODE: _of_mode,
    OperandRule.MOVABLE: _movable,
    OperandRule.UNTAGGED: _untagged,
    OperandRule.ADDABLE: _addable,
    OperandRule.SHORTER: _shorter,
    OperandRule.IN_MEMORY: _in_memory,
}
"""What each rule means."""
