"""How many elements an instruction has, one dimension a cycle, and whether they are too many."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.sequencer.range import STEP_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, FIELDS

__all__ = ["ElementBound"]

_SIZE = FIELDS["dst_size0"].bits


class ElementBound(wiring.Component):
    """beyond = (sum over d of ceil(log2(size_d)) > log2(sequencer.elements)): no multiplier, and a legal one ends.

    A size of 0 counts as 1: an instruction without this operand has zeros there, and another code refuses it elsewhere.

    Does not: count partitions, which work side by side.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    step : In(3)
        0 to 4 while an instruction is decoded; the sizes are stable from step 0 to step 4.
    sizes : In(4 * 16)
        Dimension 0 lowest.
    beyond : Out(1)

    Timing: right one cycle after step 4, until one cycle after the next step 1, as `OperandRange`.
    """

    def __init__(self, *, config: CoreConfig):
        self._most = config.sequencer.elements.bit_length() - 1
        super().__init__({"step": In(STEP_BITS), "sizes": In(AP_DIMS * _SIZE), "beyond": Out(1)})

    @property
    def emit_key(self) -> tuple[int]:
        return (self._most,)

    def elaborate(self, platform):
        m = Module()
        size, last = Signal(_SIZE), Signal(_SIZE)
        s1_bits = Signal(range(_SIZE + 1), reset_less=True)
        s2_bits = Signal(range(AP_DIMS * _SIZE + 1), reset_less=True)
        # ceil(log2(size)) is the length of size - 1
        length: Value = Const(0)
        for bit in range(_SIZE):
            length = Mux(last[bit], bit + 1, length)
        m.d.comb += [size.eq(self.sizes.word_select(self.step[:2], _SIZE)), last.eq(size - size.any())]
        m.d.sync += s1_bits.eq(length)
        with m.If((self.step >= 1) & (self.step <= AP_DIMS)):
            m.d.sync += s2_bits.eq(Mux(self.step == 1, 0, s2_bits) + s1_bits)
        m.d.comb += self.beyond.eq(s2_bits > self._most)
        return m
