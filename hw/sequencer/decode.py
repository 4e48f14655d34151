"""Decode of one queue: reads the prefetch buffer, walks the ranges, gives each instruction its `ErrorCode`."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import CODE_BITS as TYPE_BITS
from makalu.hw.lib.element import element_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.sequencer.elements import ElementBound
from makalu.hw.sequencer.memory_range import MemoryRange
from makalu.hw.sequencer.range import STEP_BITS, OperandRange
from makalu.hw.sequencer.rules import STATIC_CODES, StaticRules
from makalu.spec.config import CoreConfig
from makalu.spec.errors import PRECEDENCE, ErrorCode
from makalu.spec.isa import (
    AP_DIMS,
    INSTRUCTION_BYTES,
    INSTRUCTIONS,
    LOADS,
    MEMORY_DIMS,
    OPERANDS,
    Opcode,
    OperandRule,
    Queue,
)
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import mixable

__all__ = ["CODE_BITS", "Decoder"]

CODE_BITS = max(ErrorCode).bit_length()


class Decoder(wiring.Component):
    """code = the first `ErrorCode` in `PRECEDENCE` whose rule the instruction breaks, or NONE.

    Does not: store decoded instructions (`Queue`).

    Parameters
    ----------
    config : CoreConfig
    queue : Queue
        Decides which opcodes are known and which operand slots are walked.

    Members
    -------
    clear : In(1)
        Forget the instruction at hand.
    available, read : In(1), Out(1)
        An instruction is in the buffer; it is read in this cycle.
    word, fault : In(8 * INSTRUCTION_BYTES), In(1)
        The instruction that was read last and whether its fetch failed.
    room : In(1)
        The queue can take another decoded instruction.
    push : Out(1)
        `word` moves into the queue in this cycle.
    code : Out(CODE_BITS)
        Verdict on the instruction pushed in the previous cycle.

    Timing: read in cycle r; `word` and step 0 in r + 1; push in r + 5 or, without room, in the first later cycle with
    room; code in the cycle after. The next read is possible in the cycle of the push: one instruction in 5 cycles.
    """

    def __init__(self, *, config: CoreConfig, queue: Queue):
        self._config = config
        self._queue = queue
        super().__init__(
            {
                "clear": In(1),
                "available": In(1),
                "read": Out(1),
                "word": In(8 * INSTRUCTION_BYTES),
                "fault": In(1),
                "room": In(1),
                "push": Out(1),
                "code": Out(CODE_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        asserted = Rules(m, platform)
        i = data.View(INSTRUCTION, self.word)
        s1_busy = Signal()
        s1_step = Signal(STEP_BITS)
        m.d.comb += [
            self.push.eq(s1_busy & (s1_step >= AP_DIMS) & self.room & ~self.clear),
            self.read.eq(self.available & (~s1_busy | self.push) & ~self.clear),
        ]
        # beyond the last dimension the step waits for room, so that the ranges do not add again
        with m.If(self.clear):
            m.d.sync += s1_busy.eq(0)
        with m.Elif(self.read):
            m.d.sync += [s1_busy.eq(1), s1_step.eq(0)]
        with m.Elif(self.push):
            m.d.sync += s1_busy.eq(0)
        with m.Elif(s1_busy & (s1_step <= AP_DIMS)):
            m.d.sync += s1_step.eq(s1_step + 1)

        m.submodules.rules = rules = StaticRules(config=self._config, queue=self._queue)
        s2_static = Signal.like(rules.violations, reset_less=True)
        s2_fault = Signal(reset_less=True)
        s2_one_bank = {
            slot: Signal(reset_less=True, name=f"s2_{slot}_one_bank") for slot in self._keeping(OperandRule.ONE_BANK)
        }
        m.d.comb += rules.word.eq(self.word)
        m.d.sync += [s2_static.eq(rules.violations), s2_fault.eq(self.fault)]
        for slot, opcodes in self._keeping(OperandRule.ONE_BANK).items():
            m.d.sync += s2_one_bank[slot].eq(Cat(i.opcode == opcode for opcode in opcodes).any())
        violations = {code: s2_static[code.name.lower()] for code in STATIC_CODES}
        violations[ErrorCode.FETCH] = s2_fault
        violations |= self._ranges(m, platform, i, s1_busy, s1_step, s2_one_bank)
        legal = Signal()
        of_loads = self._mixed(m, i, legal) | self._lost(m, i, legal)
        violations[ErrorCode.OPERAND] = violations[ErrorCode.OPERAND] | of_loads

        code = ErrorCode.NONE
        for rule in reversed([code for code in PRECEDENCE if code in violations]):
            code = Mux(violations[rule], rule, code)
        m.d.comb += [self.code.eq(code), legal.eq(self.code == ErrorCode.NONE)]

        asserted.stays(s1_busy, self.push | self.clear, self.word, "an instruction stays while it is decoded")
        asserted.never(self.push & ~self.room, "only where a decoded instruction has a place it is pushed")
        asserted.always(s1_step <= AP_DIMS + 1, "there is a step for each dimension, and one")
        return m

    def _mixed(self, m: Module, i: data.View, legal: Signal) -> Value:
        """The instruction that was pushed in the cycle before must not meet the type of the last legal load.

        `legal` is the verdict on that instruction; a load that has it is the last one from the next cycle on, long
        before the next instruction is pushed.
        """
        forms = self._config.tensor.operands
        pairs = [(a, b) for a in forms for b in forms if not mixable(a, b)]
        opcodes = self._keeping(OperandRule.MIXABLE).get("src0")
        if not opcodes or (not pairs and len(self._config.tensor.modes) == 1):
            return Const(0, 1)
        known, loaded = Signal(), Signal(TYPE_BITS, reset_less=True)
        # before the first load single: what an array without weights multiplies
        mode, s2_mode = Signal.like(i.mode, name="loaded_mode"), Signal.like(i.mode, name="s2_mode", reset_less=True)
        s2_load, s2_mixed = Signal(), Signal(reset_less=True)
        s2_dtype = Signal.like(loaded)
        meets = known & Cat((loaded == a.code) & (i.src0_dtype == b.code) for a, b in pairs).any() | (i.mode != mode)
        its_mode, is_load = i.mode, i.opcode == Opcode.LOAD_STATIONARY
        if self._config.tensor.sparse:
            tagged = i.opcode == Opcode.LOAD_SPARSE
            ratio, s2_ratio = (
                Signal.like(i.ratio, name=name, reset_less=True) for name in ("loaded_ratio", "s2_ratio")
            )
            its_mode, is_load = Mux(tagged, Mode.SPARSE, i.mode), is_load | tagged
            meets |= (mode == Mode.SPARSE) & (i[f"src0_size{AP_DIMS - 1}"] != ratio)
            m.d.sync += s2_ratio.eq(i.ratio)
            with m.If(s2_load & legal):
                m.d.sync += ratio.eq(s2_ratio)
        looks = Cat(i.opcode == opcode for opcode in opcodes).any()
        m.d.sync += [
            s2_mixed.eq(looks & meets),
            s2_dtype.eq(i.src0_dtype),
            s2_mode.eq(its_mode),
            s2_load.eq(self.push & is_load),
        ]
        with m.If(s2_load & legal):
            m.d.sync += [known.eq(1), loaded.eq(s2_dtype), mode.eq(s2_mode)]
        with m.If(self.clear):
            m.d.sync += [known.eq(0), mode.eq(Mode.SINGLE), s2_load.eq(0)]
        return s2_mixed

    def _lost(self, m: Module, i: data.View, legal: Signal) -> Value:
        """The instruction that was pushed in the cycle before must not take the place of a tile that waits for its
        matmul. `legal` as above.
        """
        opcodes = self._keeping(OperandRule.NONE_WAITS).get("src0")
        if not opcodes:
            return Const(0, 1)
        waits, s2_lost, s2_load, s2_matmul = Signal(), Signal(reset_less=True), Signal(), Signal()
        m.d.sync += [
            s2_lost.eq(Cat(i.opcode == opcode for opcode in opcodes).any() & waits),
            s2_load.eq(self.push & Cat(i.opcode == opcode for opcode in LOADS).any()),
            s2_matmul.eq(self.push & (i.opcode == Opcode.MATMUL)),
        ]
        with m.If((s2_load | s2_matmul) & legal):
            m.d.sync += waits.eq(s2_load)
        with m.If(self.clear):
            m.d.sync += [waits.eq(0), s2_load.eq(0), s2_matmul.eq(0)]
        return s2_lost

    def _keeping(self, rule: OperandRule) -> dict[str, list[Opcode]]:
        """Slots of this queue's operands that keep a rule, each with its opcodes."""
        out: dict[str, list[Opcode]] = {}
        for opcode, spec in INSTRUCTIONS.items():
            if self._queue in spec.queues and spec.there(self._config):
                for slot in (slot for slot, operand in spec.operands.items() if rule in operand.rules):
                    out.setdefault(slot, []).append(opcode)
        return out

    def _ranges(self, m: Module, platform, i, s1_busy: Signal, s1_step: Signal, s2_one_bank: dict[str, Signal]):
        rows = [spec for spec in INSTRUCTIONS.values() if self._queue in spec.queues]
        own = [spec.operands for spec in rows if spec.there(self._config)]
        slots = [s for s in OPERANDS if any(s in each and each[s].there(self._config) for each in own)]
        step = Mux(s1_busy, s1_step, 0)
        ranges = {}
        for slot in slots:
            ranges[slot] = walk = OperandRange(config=self._config)
            m.submodules[slot] = place(walk, platform)
            m.d.comb += [
                walk.step.eq(step),
                walk.space.eq(i[f"{slot}_space"]),
                walk.size.eq(element_size(i[f"{slot}_dtype"])),
                walk.offset.eq(i[f"{slot}_offset"]),
                walk.sizes.eq(Cat(i[f"{slot}_size{d}"] for d in range(AP_DIMS))),
                walk.strides.eq(Cat(i[f"{slot}_stride{d}"] for d in range(AP_DIMS))),
            ]
        psum = [r.psum for r in ranges.values()]
        psum += [one_bank & ranges[slot].banks for slot, one_bank in s2_one_bank.items()]
        violations = {
            ErrorCode.SBUF_ADDRESS: Cat(r.sbuf for r in ranges.values()).any(),
            ErrorCode.PSUM_ADDRESS: Cat(*psum).any(),
        }
        # an instruction without these operands has zeros there, which break none of the rules
        for rule, look in ((OperandRule.IN_MEMORY, self._memory), (OperandRule.BOUNDED, self._elements)):
            broken = [look(m, platform, i, slot, step) for slot in self._keeping(rule)]
            if broken:
                violations[rule.code] = Cat(broken).any()
        return violations

    def _elements(self, m: Module, platform, i, slot: str, step: Value) -> Signal:
        bound = ElementBound(config=self._config)
        m.submodules[f"{slot}_elements"] = place(bound, platform)
        m.d.comb += [
            bound.step.eq(step),
            bound.sizes.eq(Cat(i[f"{slot}_size{d}"] for d in range(AP_DIMS))),
        ]
        return bound.beyond

    def _memory(self, m: Module, platform, i, slot: str, step: Value) -> Signal:
        walk = MemoryRange(config=self._config)
        m.submodules[f"{slot}_memory"] = place(walk, platform)
        m.d.comb += [
            walk.step.eq(step),
            walk.size.eq(element_size(i[f"{slot}_dtype"])),
            walk.address.eq(i.address),
            walk.partitions.eq(i.partitions),
            walk.sizes.eq(Cat(i[f"{slot}_size{d}"] for d in range(AP_DIMS))),
            walk.strides.eq(Cat(i[f"memory_stride{d}"] for d in range(MEMORY_DIMS))),
        ]
        return walk.leaves
