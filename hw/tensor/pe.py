"""Processing element: one multiplication and one addition of the column chain a cycle."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.arith.product import Product
from makalu.hw.arith.words import CHAIN_WORD, operand_word
from makalu.hw.tensor.layouts import CHAIN_BITS, x_operand
from makalu.spec.chain import ZERO_EXPONENT
from makalu.spec.config import TensorConfig
from makalu.spec.quads import QUAD_ELEMENTS

__all__ = ["Pe"]


class Pe(wiring.Component):
    """p_out = round(x * stationary + p_in), one rounding, nearest even; p_out = p_in for an inactive x.

    Does not: stall, or know its place: rows outside the tile are told by `x.active`, columns are masked in PSUM.

    Parameters
    ----------
    tensor : TensorConfig

    Members
    -------
    x_in : In(x_operand), x_out : Out(x_operand)
        Moving element (`layouts.py`, packed), one column a cycle. An inactive one leaves as zero.
    w : In(24 or 52), load : In(1)
        Stationary element (`operand_word`) for the shadow register, taken in this cycle's edge if `load`.
    p_in : In(34), p_out : Out(34)
        Chain words (`spec/chain.py`).

    Timing
    ------
    x in cycle t: x_out in t + 1, p_out in t + 1 + mul_stages + add_stages, with the p_in of t + 1 + mul_stages. One x a
    cycle. `swap` copies shadow to active in the edge that takes its x; a `load` in the same cycle comes after it.
    """

    def __init__(self, *, tensor: TensorConfig) -> None:
        self.tensor = tensor
        self.latency_cycles = 1 + tensor.mul_stages + tensor.add_stages
        super().__init__(
            {
                "x_in": In(x_operand(tensor).size),
                "x_out": Out(x_operand(tensor).size),
                "w": In(tensor.operand_bits),
                "load": In(1),
                "p_in": In(CHAIN_BITS),
                "p_out": Out(CHAIN_BITS),
            }
        )

    @property
    def emit_key(self) -> tuple[int, int, str, int]:
        t = self.tensor
        return (t.mul_stages, t.add_stages, t.subnormals, t.products)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tensor = self.tensor
        m.submodules.product = product = Product(
            mul_stages=tensor.mul_stages, subnormals=tensor.subnormals, products=tensor.products
        )
        m.submodules.adder = adder = ChainAdder(add_stages=tensor.add_stages, subnormals=tensor.subnormals)

        x = x_operand(tensor)(self.x_in)
        word = operand_word(tensor.products)
        s1_operand = Signal(word, reset_less=True)
        s1_active, s1_swap, s1_paired = Signal(), Signal(), Signal.like(x.paired, reset_less=True)
        # with reset: rows outside a tile keep what they have, and times zero only a legal operand adds nothing
        shadow, active = Signal(word), Signal(word)
        m.d.sync += [s1_operand.eq(x.operand), s1_active.eq(x.active), s1_swap.eq(x.swap)]
        m.d.sync += s1_paired.eq(x.paired & x.active)
        with m.If(~x.active):
            # here a flip-flop's synchronous reset does it; later it would cost gates beside the multiplier
            single = s1_operand.operand if tensor.products == QUAD_ELEMENTS else s1_operand
            m.d.sync += [single.significand.eq(0), single.exponent.eq(ZERO_EXPONENT)]
        with m.If(x.swap):
            m.d.sync += active.eq(shadow)
        with m.If(self.load):
            m.d.sync += shadow.eq(self.w)

        m.d.comb += [
            self.x_out.eq(Cat(s1_operand, s1_active, s1_swap, s1_paired)),
            product.active.eq(s1_active),
            product.moving.eq(s1_operand),
            product.stationary.eq(active),
            product.paired.eq(s1_paired),
            adder.addend.eq(product.addend),
            adder.i.eq(CHAIN_WORD(self.p_in)),
            self.p_out.eq(adder.o),
        ]
        return m
