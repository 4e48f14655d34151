"""The rules of `OperandRule` and `FieldRule` that one look at an instruction decides: all but the ranges."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import below_size, element_size
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.mode import is_mode, of_mode
from makalu.spec.config import CoreConfig
from makalu.spec.errors import ErrorCode
from makalu.spec.field_rules import FieldRule, field_rules
from makalu.spec.isa import (
    AP_DIMS,
    ENCODING_VERSION,
    FIELDS,
    INSTRUCTION_BYTES,
    INSTRUCTIONS,
    OPERANDS,
    InstructionSpec,
    Operand,
    OperandRule,
    Queue,
)
from makalu.spec.random_bits import SHORTER
from makalu.spec.scales import OFFSET_STEP, largest_offset, quadrant
from makalu.spec.sequencer import absent_bits, allowed_bits
from makalu.spec.sparsity import RATIO_LIMIT
from makalu.spec.tensor_types import TRANSPOSES

__all__ = ["STATIC_CODES", "STATIC_RULES", "StaticRules"]

STATIC_CODES = (
    *(c for c in ErrorCode if ErrorCode.OPCODE <= c <= ErrorCode.ALIGNMENT),
    ErrorCode.SEMAPHORE,
    ErrorCode.VERSION,
)


def _any(values: list[Value]) -> Value:
    return Cat(*values).any()


class StaticRules(wiring.Component):
    """violations[code] = some rule of `code` is broken by `word`.

    Does not: check that patterns stay in SBUF, PSUM (`OperandRange`) and memory (`MemoryRange`) and end
    (`ElementBound`), nor choose between several violations.

    Parameters
    ----------
    config : CoreConfig
    queue : Queue
        Only this queue's opcodes are known.

    Members
    -------
    word : In(1024)
        The instruction.
    violations : Out(StructLayout)
        A bit for each of `STATIC_CODES`, by its lower-case name.

    Timing: combinational. The rules themselves are rows of `spec/operand.py` and `spec/field_rules.py`.
    """

    def __init__(self, *, config: CoreConfig, queue: Queue):
        self._config = config
        self._queue = queue
        super().__init__(
            {
                "word": In(8 * INSTRUCTION_BYTES),
                "violations": Out(data.StructLayout({c.name.lower(): 1 for c in STATIC_CODES})),
            }
        )

    def elaborate(self, platform):
        m = Module()
        i = data.View(INSTRUCTION, self.word)
        broken: dict[ErrorCode, list[Value]] = {code: [] for code in STATIC_CODES}
        facts = _Facts(m, i)
        executed = []
        for opcode, spec in INSTRUCTIONS.items():
            if self._queue not in spec.queues or not spec.there(self._config):
                continue
            chosen = Signal(name=f"is_{spec.name}")
            m.d.comb += chosen.eq(i.opcode == opcode)
            executed.append(chosen)
            for code, rules in self._rules(spec, i, facts).items():
                broken[code] += [chosen & rule for rule in rules]
        broken[ErrorCode.OPCODE].append(~_any(executed))
        broken[ErrorCode.VERSION].append(i.version != ENCODING_VERSION)
        for code in STATIC_CODES:
            m.d.comb += self.violations[code.name.lower()].eq(_any(broken[code]))
        return m

    def _rules(self, spec: InstructionSpec, i, facts: "_Facts") -> dict[ErrorCode, list[Value]]:
        """What `spec` forbids; each list holds conditions that break the code's rule."""
        out: dict[ErrorCode, list[Value]] = {code: [] for code in STATIC_CODES}
        everything, absent = (1 << (8 * INSTRUCTION_BYTES)) - 1, absent_bits(self._config)
        for when in {o.when for o in spec.operands.values() if o.when}:
            bare = everything & ~(allowed_bits(spec.opcode, optional=False) & ~absent)
            out[ErrorCode.RESERVED].append((i[when[0]] != when[1]) & (self.word & bare).any())
        out[ErrorCode.RESERVED].append((self.word & (everything & ~(allowed_bits(spec.opcode) & ~absent))).any())
        tensors = [name for name, operand in spec.operands.items() if not operand.scalar]
        # one that no legal instruction of this core has is refused with the field that asks for it
        there = {name: operand for name, operand in spec.operands.items() if operand.there(self._config)}
        for name, operand in there.items():
            slot = _Slot(self._config, i, facts, name, operand, tensors[0])
            for rule in operand.rules_of(self._config):
                if rule in STATIC_RULES:
                    out[rule.code].append(slot.used & STATIC_RULES[rule](slot))
        for limits in field_rules(spec.opcode):
            out[limits.code].append(self._field(limits, i))
        return out

    def _field(self, rule: FieldRule, i) -> Value:
        """The field is outside its values."""
        field, high = i[rule.field], rule.high(self._config)
        bad = [field < rule.low] if rule.low > 0 else []
        if high < FIELDS[rule.field].high:
            bad.append(field > high)
        bad += [field == value for value in rule.gaps(self._config)]
        outside = _any(bad) if bad else Value.cast(0)
        return i[rule.when].any() & outside if rule.when else outside


class _Facts:
    """What several rules ask about an operand slot, each a named signal."""

    def __init__(self, m: Module, i):
        self.sizes, self.empty, self.ragged = {}, {}, {}
        for slot in OPERANDS:
            self.sizes[slot] = Cat(i[f"{slot}_size{d}"] for d in range(AP_DIMS))
            self.empty[slot] = Signal(name=f"{slot}_empty")
            self.ragged[slot] = Signal(name=f"{slot}_ragged")
            offset = Signal(unsigned(FIELDS[f"{slot}_offset"].bits), name=f"{slot}_byte")
            m.d.comb += [
                offset.eq(i[f"{slot}_offset"]),
                self.empty[slot].eq(Cat(i[f"{slot}_size{d}"] == 0 for d in range(AP_DIMS)).any()),
                self.ragged[slot].eq((offset & below_size(element_size(i[f"{slot}_dtype"]))).any()),
            ]


class _Slot:
    """One operand of one instruction: each method is a condition that breaks the rule of its name."""

    def __init__(self, config: CoreConfig, i, facts: _Facts, name: str, operand: Operand, first: str):
        self._config, self._i, self._facts, self._name, self._operand = config, i, facts, name, operand
        self._first = first
        """The instruction's first tensor."""
        self.used = i[operand.when[0]] == operand.when[1] if operand.when else 1

    def _field(self, name: str) -> Value:
        return self._i[f"{self._name}_{name}"]

    def kind(self) -> Value:
        space, dtype = self._field("space"), self._field("dtype")
        spaces = Cat(space == s for s in self._operand.spaces).any()
        dtypes = Cat(dtype == form.code for form in self._operand.types(self._config)).any()
        return ~spaces | ~dtypes

    def filled(self) -> Value:
        return self._facts.empty[self._name]

    def within(self) -> Value:
        return self._field("partition") + self._i[self._operand.count] > self._config.partitions

    def aligned(self) -> Value:
        return self._facts.ragged[self._name]

    def same_sizes(self) -> Value:
        return self._facts.sizes[self._name] != self._facts.sizes[self._first]

    def quarter_sizes(self) -> Value:
        first, *outer = (self._i[f"{self._first}_size{d}"] for d in range(AP_DIMS))
        unequal = Cat(self._field(f"size{d}") != size for d, size in enumerate(outer, 1)).any()
        return unequal | (self._field("size0") * 4 != first)

    def one_element(self) -> Value:
        return ~Cat(self._field(f"size{d}") == 1 for d in range(AP_DIMS)).all()

    def tile(self) -> Value:
        outer = Cat(self._field(f"size{d}") != 1 for d in range(1, AP_DIMS - 1))
        rows = self._field(f"size{AP_DIMS - 1}") != of_mode(self._i.mode, lambda mode: Const(mode.rows))
        return (self._field("size0") > self._config.tensor.columns) | outer.any() | rows

    def row_tile(self) -> Value:
        return (self._field("size0") > self._config.tensor.columns) | self.one_line()

    def same_columns(self) -> Value:
        inner = Cat(self._field(f"size{d}") != self._i[f"dst_size{d}"] for d in range(AP_DIMS - 1)).any()
        outer, its = self._field(f"size{AP_DIMS - 1}"), self._i[f"dst_size{AP_DIMS - 1}"]
        rows = of_mode(self._i.mode, lambda mode: Const(mode.rows))
        wrong = Mux(rows > 1, (outer != rows) | (its != 1), outer != its)
        if self._config.tensor.sparse:
            # of the load's ratio: that is `mixable`
            wrong = Mux(self._sparse, (outer == 0) | (outer > RATIO_LIMIT) | (its != 1), wrong)
        return inner | wrong

    @property
    def _sparse(self) -> Value:
        return is_mode(self._i.mode, lambda mode: mode.tagged)

    def rows_aligned(self) -> Value:
        rows = is_mode(self._i.mode, lambda mode: mode.rows > 1) | self._sparse
        stride, mask = self._field(f"stride{AP_DIMS - 1}"), self._config.sbuf.word_bytes - 1
        return rows & ((stride << element_size(self._field("dtype"))) & mask).any()

    def untagged(self) -> Value:
        return self._sparse

    def of_mode(self) -> Value:
        # a mode that the core does not have is refused by its field's rule
        mode, dtype = self._i.mode, self._field("dtype")
        among = of_mode(mode, lambda row: Cat(dtype == form.code for form in row.formats).any())
        return ~among | (is_mode(mode, lambda row: not row.parts) & self._i.part.any())

    def movable(self) -> Value:
        dtype = self._field("dtype")
        may = of_mode(self._i.mode, lambda row: Cat(dtype == form.code for form in row.movable).any())
        return self._i.exponent_offset.any() & (~may | self._i.part.any())

    def one_line(self) -> Value:
        return Cat(self._field(f"size{d}") != 1 for d in range(1, AP_DIMS)).any()

    def quadrants(self) -> Value:
        return is_mode(self._i.mode, lambda mode: mode.scaled) & self.whole_quadrants()

    def whole_quadrants(self) -> Value:
        return ((self._field("partition") | self._i.partitions) & (quadrant(self._config) - 1)).any()

    def groups(self) -> Value:
        return self._sparse & self.whole_groups()

    def whole_groups(self) -> Value:
        return ((self._field("partition") | self._i.partitions) & (self._config.tensor.group_rows - 1)).any()

    def of_quadrants(self) -> Value:
        offset = self._field("partition") - self._i.src0_partition
        some = range(0, largest_offset(self._config) + 1, OFFSET_STEP)
        return ~Cat(offset == each for each in some).any()

    def as_partitions(self) -> Value:
        return (self._field("size0") != self._i.partitions) | self.one_line()

    def as_columns(self) -> Value:
        return (self._field("size0") != self._i.columns) | self.one_line()

    def of_bits(self) -> Value:
        return ~Cat(self._i.part == part for part in TRANSPOSES).any()

    def column_tile(self) -> Value:
        return (self._field("partition") & (self._config.tensor.column_tile - 1)).any()

    def columns_within(self) -> Value:
        tensor, column = self._config.tensor, self._i.column
        return (column & (tensor.column_tile - 1)).any() | (column + self._field("size0") > tensor.columns)

    def same_partition(self) -> Value:
        return self._field("partition") != self._i.dst_partition

    def same_source(self) -> Value:
        return self._field("partition") != self._i.src0_partition

    def word_aligned(self) -> Value:
        return (self._field("offset") & (self._config.sbuf.word_bytes - 1)).any()

    def unit_stride(self) -> Value:
        return self._field("stride0") != 1

    def addable(self) -> Value:
        return self._i.accumulate & ~Cat(self._field("dtype") == form.code for form in self._config.tensor.sums).any()

    def shorter(self) -> Value:
        return self._i.rounding & ~Cat(self._field("dtype") == form.code for form in SHORTER).any()


STATIC_RULES = {
    OperandRule.KIND: _Slot.kind,
    OperandRule.FILLED: _Slot.filled,
    OperandRule.WITHIN: _Slot.within,
    OperandRule.ALIGNED: _Slot.aligned,
    OperandRule.SAME_SIZES: _Slot.same_sizes,
    OperandRule.QUARTER_SIZES: _Slot.quarter_sizes,
    OperandRule.ONE_ELEMENT: _Slot.one_element,
    OperandRule.ONE_LINE: _Slot.one_line,
    OperandRule.TILE: _Slot.tile,
    OperandRule.ROW_TILE: _Slot.row_tile,
    OperandRule.GROUPS: _Slot.groups,
    OperandRule.WHOLE_GROUPS: _Slot.whole_groups,
    OperandRule.SAME_SOURCE: _Slot.same_source,
    OperandRule.MOVABLE: _Slot.movable,
    OperandRule.UNTAGGED: _Slot.untagged,
    OperandRule.QUADRANTS: _Slot.quadrants,
    OperandRule.WHOLE_QUADRANTS: _Slot.whole_quadrants,
    OperandRule.OF_QUADRANTS: _Slot.of_quadrants,
    OperandRule.SAME_COLUMNS: _Slot.same_columns,
    OperandRule.ROWS_ALIGNED: _Slot.rows_aligned,
    OperandRule.OF_MODE: _Slot.of_mode,
    OperandRule.AS_PARTITIONS: _Slot.as_partitions,
    OperandRule.AS_COLUMNS: _Slot.as_columns,
    OperandRule.OF_BITS: _Slot.of_bits,
    OperandRule.COLUMN_TILE: _Slot.column_tile,
    OperandRule.COLUMNS_WITHIN: _Slot.columns_within,
    OperandRule.SAME_PARTITION: _Slot.same_partition,
    OperandRule.WORD_ALIGNED: _Slot.word_aligned,
    OperandRule.UNIT_STRIDE: _Slot.unit_stride,
    OperandRule.ADDABLE: _Slot.addable,
    OperandRule.SHORTER: _Slot.shorter,
}
"""Rules that need no walk over the dimensions."""
