"""First and last element of an access pattern, one dimension a cycle, and whether they leave the memory."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from makalu.hw.lib.element import SIZE_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, FIELDS, Space

__all__ = ["STEP_BITS", "OperandRange"]

STEP_BITS = AP_DIMS.bit_length()
"""A step a dimension, and one more."""
_SIZE = FIELDS["dst_size0"].bits
_STRIDE = FIELDS["dst_stride0"].bits
_OFFSET = FIELDS["dst_offset"].bits
_PRODUCT = _SIZE + _STRIDE
# four products of one sign and an offset of fewer bits than a product
_EXTREME = _PRODUCT + (AP_DIMS - 1).bit_length() + 1


class OperandRange(wiring.Component):
    """low, high = offset / bytes + sum over d of (size_d - 1) * stride_d over the negative, the positive strides.

    Does not: check sizes of 0, alignment or the element type; codes of lower number report those.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    step : In(3)
        0 to 4 while an instruction is decoded; the operand's fields are stable from step 0 to step 4.
    space, size, offset : In
        `Space`; log2 of an element's bytes; byte offset.
    sizes, strides : In(4 * 16)
        Dimension 0 lowest.
    sbuf, psum, banks : Out(1)
        Low or high lies outside the SBUF; outside the PSUM; low and high lie in different PSUM banks.

    Timing: outputs are right one cycle after step 4 and stay until one cycle after the next step 1.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "step": In(STEP_BITS),
                "space": In(FIELDS["dst_space"].bits),
                "size": In(SIZE_BITS),
                "offset": In(_OFFSET),
                "sizes": In(AP_DIMS * _SIZE),
                "strides": In(AP_DIMS * _STRIDE),
                "sbuf": Out(1),
                "psum": Out(1),
                "banks": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[str]:
        return (self._config.digest,)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        last = Signal(_SIZE)
        stride = Signal(signed(_STRIDE))
        s1_product = Signal(signed(_PRODUCT), reset_less=True)
        s2_low = Signal(signed(_EXTREME), reset_less=True)
        s2_high = Signal(signed(_EXTREME), reset_less=True)
        s2_space = Signal.like(self.space, reset_less=True)
        s2_size = Signal.like(self.size, reset_less=True)

        m.d.comb += [
            last.eq(self.sizes.word_select(self.step[:2], _SIZE) - 1),
            stride.eq(self.strides.word_select(self.step[:2], _STRIDE)),
        ]
        m.d.sync += s1_product.eq(last * stride)

        start = Signal(_OFFSET)
        low, high = Signal(signed(_EXTREME)), Signal(signed(_EXTREME))
        negative = Signal()
        first = Signal()
        m.d.comb += [
            start.eq(self.offset >> self.size),
            first.eq(self.step == 1),
            negative.eq(s1_product < 0),
            low.eq(Mux(first, start, s2_low) + Mux(negative, s1_product, 0)),
            high.eq(Mux(first, start, s2_high) + Mux(negative, 0, s1_product)),
        ]
        with m.If((self.step >= 1) & (self.step <= AP_DIMS)):
            m.d.sync += [s2_low.eq(low), s2_high.eq(high), s2_space.eq(self.space), s2_size.eq(self.size)]

        # the verdict compares elements: a partition has whole ones of every size
        below = Signal()
        bank = exact_log2(config.psum.bank_bytes)
        m.d.comb += [
            below.eq(s2_low < 0),
            self.sbuf.eq(
                (s2_space == Space.SBUF) & (below | (s2_high >= Const(config.sbuf.partition_bytes) >> s2_size))
            ),
            self.psum.eq(
                (s2_space == Space.PSUM) & (below | (s2_high >= Const(config.psum.partition_bytes) >> s2_size))
            ),
            self.banks.eq((s2_low << s2_size >> bank) != (s2_high << s2_size >> bank)),
        ]
        return m
