"""The scale of a group of partitions: the largest exponent of four elements in each of eight lanes."""

from functools import reduce

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lanes.control import lane_control
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32
from makalu.spec.quads import SCALE_BITS, SCALE_NAN
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.random_bits import STOCHASTIC
from makalu.spec.scales import GROUP_PARTITIONS

__all__ = ["GroupScale"]

_SPECIAL = FP32.exponent_mask


class GroupScale(wiring.Component):
    """code = max(largest exponent - dropped, 0), of an infinity or a NaN the NaN (`spec/quantize.py`).

    Does not: look at partitions that take no part; an instruction has whole groups.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    control: In(lane_control(config, grouped=True))
    exponents: In(8 x 8)
        Of the element that entered the pipeline last, fp32's, of each lane of the group.
    code: Out(8)
        e8m0, registered.

    Timing
    ------
    Moves with the lanes' pipeline (`advance`), three steps behind the registers that hold the elements: the code is
    there when the first element of the group has passed all ALU steps, and until the next group's first has.
    """

    def __init__(self, *, config: CoreConfig):
        self.config = config
        super().__init__(
            {
                "control": In(lane_control(config, grouped=True)),
                "exponents": In(data.ArrayLayout(FP32.exponent_bits, GROUP_PARTITIONS)),
                "code": Out(SCALE_BITS),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.sbuf.word_bytes, *((STOCHASTIC,) if self.config.stochastic else ()))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control, dropped = self.control, self.control.setup.dropped
        # the element in the lanes' first registers: whether there is one, and its place in the group
        s1_enters, s1_phase = Signal(), Signal.like(control.phase, reset_less=True)
        s2_largest = Signal(FP32.exponent_bits, reset_less=True)
        s2_first, s2_last = Signal(reset_less=True), Signal()
        s3_largest, s3_last = Signal.like(s2_largest, reset_less=True), Signal()
        code = Signal.like(self.code)
        with m.If(s3_largest == _SPECIAL):
            m.d.comb += code.eq(SCALE_NAN)
        with m.Elif(s3_largest > dropped):
            m.d.comb += code.eq(s3_largest - dropped)
        with m.If(control.advance):
            m.d.sync += [
                s1_enters.eq(control.enters),
                s1_phase.eq(control.phase),
                s2_largest.eq(reduce(_larger, self.exponents)),
                s2_first.eq(s1_phase == 0),
                s2_last.eq(s1_enters & (s1_phase == GROUP_ELEMENTS - 1)),
                s3_largest.eq(Mux(s2_first, s2_largest, _larger(s2_largest, s3_largest))),
                s3_last.eq(s2_last),
            ]
            with m.If(s3_last):
                m.d.sync += self.code.eq(code)
        return m


def _larger(one: Value, other: Value) -> Value:
    return Mux(one > other, one, other)
