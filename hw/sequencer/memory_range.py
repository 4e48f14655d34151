"""First and last byte of a DMA's memory side, and whether they leave the bus's address space."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import SIZE_BITS
from makalu.hw.sequencer.range import STEP_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, FIELDS, MEMORY_DIMS

__all__ = ["MemoryRange"]

_SIZE = FIELDS["dst_size0"].bits
_STRIDE = FIELDS["memory_stride0"].bits
_ADDRESS = FIELDS["address"].bits
_PARTITIONS = FIELDS["partitions"].bits
_PRODUCT = _SIZE + _STRIDE


class MemoryRange(wiring.Component):
    """low, high = address + sum over d of (size_d - 1) * stride_d over the negative, the positive strides.

    Strides are bytes; dimension 4 is the partition. leaves = low < 0 or high + bytes > 2^address_bits, bytes of an
    element: no byte outside the space is ever asked for, and none inside it by a sum that wraps.

    Does not: check sizes or partitions of 0; codes of lower number report those.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    step : In(3)
        0 to 4 while an instruction is decoded, 0 otherwise; its fields are stable from step 0 to step 4.
    size : In
        log2 of an element's bytes.
    address, partitions : In(64), In(8)
    sizes, strides : In(4 * 16), In(5 * 32)
        Dimension 0 lowest.
    leaves : Out(1)

    Timing: right one cycle after step 4, until one cycle after the next step 0.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "step": In(STEP_BITS),
                "size": In(SIZE_BITS),
                "address": In(_ADDRESS),
                "partitions": In(_PARTITIONS),
                "sizes": In(AP_DIMS * _SIZE),
                "strides": In(MEMORY_DIMS * _STRIDE),
                "leaves": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[str]:
        return (self._config.digest,)

    def elaborate(self, platform):
        m = Module()
        bits = self._config.bus.address_bits
        # an address inside the space and five products of one sign
        extreme = signed(max(bits, _PRODUCT) + MEMORY_DIMS.bit_length() + 1)
        last, rows = Signal(_SIZE), Signal(_PARTITIONS)
        stride, row_stride = Signal(signed(_STRIDE)), Signal(signed(_STRIDE))
        s1_product = Signal(signed(_PRODUCT), reset_less=True)
        s1_rows = Signal(signed(_PARTITIONS + _STRIDE), reset_less=True)
        m.d.comb += [
            last.eq(self.sizes.word_select(self.step[:2], _SIZE) - 1),
            stride.eq(self.strides.word_select(self.step[:2], _STRIDE)),
            rows.eq(self.partitions - 1),
            row_stride.eq(self.strides.word_select(AP_DIMS, _STRIDE)),
        ]
        m.d.sync += [s1_product.eq(last * stride), s1_rows.eq(rows * row_stride)]

        s2_low, s2_high = Signal(extreme, reset_less=True), Signal(extreme, reset_less=True)
        s2_beyond, s2_size = Signal(reset_less=True), Signal.like(self.size, reset_less=True)
        start = Signal(bits)
        m.d.comb += start.eq(self.address[:bits])
        first = self.step == 1
        # the partition's product comes with that of dimension 0: four additions for five dimensions
        with m.If((self.step >= 1) & (self.step <= AP_DIMS)):
            for total, row_counts, counts in (
                (s2_low, s1_rows < 0, s1_product < 0),
                (s2_high, s1_rows >= 0, s1_product >= 0),
            ):
                begin = start + Mux(row_counts, s1_rows, 0)
                m.d.sync += total.eq(Mux(first, begin, total) + Mux(counts, s1_product, 0))
            # the last byte is not below the address
            m.d.sync += [s2_beyond.eq((self.address >> bits).any()), s2_size.eq(self.size)]

        most = (1 << bits) - (1 << s2_size)
        m.d.comb += self.leaves.eq(s2_beyond | (s2_low < 0) | (s2_high > most))
        return m
