"""The rules of `ErrorCode` that one look at an instruction decides: all but the three address ranges."""

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.instruction import INSTRUCTION
from makalu.spec.config import CoreConfig
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import (
    AP_DIMS,
    FIELDS,
    INSTRUCTION_BYTES,
    INSTRUCTIONS,
    SIGNALS,
    WAITS,
    AluOp,
    Function,
    InstructionSpec,
    Opcode,
    Operand,
    Queue,
    SignalKind,
    Space,
    WaitKind,
)
from makalu.spec.sequencer import allowed_bits

__all__ = ["STATIC_CODES", "StaticRules"]

STATIC_CODES = tuple(c for c in ErrorCode if ErrorCode.OPCODE <= c <= ErrorCode.ALIGNMENT) + (ErrorCode.SEMAPHORE,)


def _any(values: list[Value]) -> Value:
    return Cat(*values).any()


class StaticRules(wiring.Component):
    """violations[code] = some rule of `code` is broken by `word`.

    Does not: check that patterns stay in SBUF, PSUM (`OperandRange`) and memory (`MemoryRange`), nor choose between
    several violations.

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

    Timing: combinational. The rules themselves are the docstrings of `ErrorCode`.
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
            if self._queue not in spec.queues:
                continue
            chosen = Signal(name=f"is_{spec.name}")
            m.d.comb += chosen.eq(i.opcode == opcode)
            executed.append(chosen)
            for code, rules in self._rules(spec, i, facts).items():
                broken[code] += [chosen & rule for rule in rules]
        broken[ErrorCode.OPCODE].append(~_any(executed))
        broken[ErrorCode.SEMAPHORE] += self._semaphores(i)
        for code in STATIC_CODES:
            m.d.comb += self.violations[code.name.lower()].eq(_any(broken[code]))
        return m

    def _semaphores(self, i) -> list[Value]:
        count = self._config.sequencer.semaphores
        rules = []
        for slots, name, last in ((WAITS, "wait", max(WaitKind)), (SIGNALS, "signal", max(SignalKind))):
            for n in range(slots):
                kind, semaphore = i[f"{name}{n}_kind"], i[f"{name}{n}_semaphore"]
                rules += [kind > last, kind.any() & (semaphore >= count)]
        return rules

    def _rules(self, spec: InstructionSpec, i, facts: "_Facts") -> dict[ErrorCode, list[Value]]:
        """What `spec` forbids; each list holds conditions that break the code's rule."""
        config = self._config
        out: dict[ErrorCode, list[Value]] = {code: [] for code in STATIC_CODES}
        everything = (1 << (8 * INSTRUCTION_BYTES)) - 1
        scalar = any(o.scalar for o in spec.operands.values())
        if scalar:
            bare = everything & ~allowed_bits(spec.opcode, scalar_operands=False)
            out[ErrorCode.RESERVED].append(~i.operand0_tensor & (self.word & bare).any())
        out[ErrorCode.RESERVED].append((self.word & (everything & ~allowed_bits(spec.opcode))).any())
        for name, operand in spec.operands.items():
            self._operand(out, spec, i, facts, name, operand)
        tensors = [name for name, operand in spec.operands.items() if not operand.scalar]
        for name in tensors[1:]:
            out[ErrorCode.SIZE].append(facts.sizes[name] != facts.sizes[tensors[0]])
        if "partitions" in spec.fields:
            out[ErrorCode.SIZE] += [i.partitions == 0, i.partitions > config.partitions]
        if "columns" in spec.fields:
            out[ErrorCode.SIZE] += [i.columns == 0, i.columns > config.tensor.columns]
        for name in ("op0", "op1"):
            if name in spec.fields:
                out[ErrorCode.OPERAND].append(i[name] > max(AluOp))
        if "function" in spec.fields:
            out[ErrorCode.OPERAND] += [i.function < min(Function), i.function > max(Function)]
        if spec.opcode is Opcode.LOAD_STATIONARY:
            outer = Cat(i[f"src0_size{d}"] != 1 for d in range(1, AP_DIMS))
            out[ErrorCode.SIZE] += [i.src0_size0 > config.tensor.columns, outer.any()]
            word = config.sbuf.word_bytes
            out[ErrorCode.ALIGNMENT] += [i.src0_stride0 != 1, (i.src0_offset & (word - 1)).any()]
        if spec.opcode is Opcode.MATMUL:
            out[ErrorCode.PARTITION].append(i.dst_partition.any())
        return out

    def _operand(self, out, spec: InstructionSpec, i, facts: "_Facts", name: str, operand: Operand) -> None:
        """Rules of one slot; a scalar operand's hold only while `operand0_tensor` says that it is there."""
        used = i.operand0_tensor if operand.scalar else 1
        space, wide = facts.space[name], facts.wide[name]
        spaces = Cat(space == s for s in operand.spaces).any()
        dtypes = Cat(facts.dtype[name] == FORMATS[d].code for d in operand.dtypes).any()
        out[ErrorCode.OPERAND].append(used & (~spaces | ~dtypes | ((space == Space.PSUM) & ~wide)))
        if operand.scalar:
            ones = Cat(i[f"{name}_size{d}"] == 1 for d in range(AP_DIMS)).all()
            out[ErrorCode.SIZE].append(used & ~ones)
        else:
            out[ErrorCode.SIZE].append(facts.empty[name])
        if not (spec.opcode is Opcode.MATMUL and name == "dst"):
            beyond = facts.start[name] + i.partitions > self._config.partitions
            out[ErrorCode.PARTITION].append(used & beyond)
        if self._queue in (Queue.VECTOR, Queue.SCALAR):
            out[ErrorCode.PARTITION].append(used & (facts.start[name] != facts.start["dst"]))
        out[ErrorCode.ALIGNMENT].append(used & facts.ragged[name])


class _Facts:
    """What several rules ask about an operand slot, each a named signal."""

    def __init__(self, m: Module, i):
        self.space, self.dtype, self.start, self.wide = {}, {}, {}, {}
        self.sizes, self.empty, self.ragged = {}, {}, {}
        for slot in ("dst", "src0", "src1"):
            self.space[slot], self.dtype[slot] = i[f"{slot}_space"], i[f"{slot}_dtype"]
            self.start[slot] = i[f"{slot}_partition"]
            self.sizes[slot] = Cat(i[f"{slot}_size{d}"] for d in range(AP_DIMS))
            self.wide[slot] = Signal(name=f"{slot}_wide")
            self.empty[slot] = Signal(name=f"{slot}_empty")
            self.ragged[slot] = Signal(name=f"{slot}_ragged")
            offset = Signal(unsigned(FIELDS[f"{slot}_offset"].bits), name=f"{slot}_byte")
            # every element has 2 or 4 bytes: one bit of the offset always matters, a second for fp32
            m.d.comb += [
                offset.eq(i[f"{slot}_offset"]),
                self.wide[slot].eq(self.dtype[slot] == FP32.code),
                self.empty[slot].eq(Cat(i[f"{slot}_size{d}"] == 0 for d in range(AP_DIMS)).any()),
                self.ragged[slot].eq(offset[0] | (self.wide[slot] & offset[1])),
            ]
