"""Processing element: one multiplication and one addition of the column chain a cycle."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.arith.product import Product
from makalu.hw.arith.words import CHAIN_WORD, PAIR, operand_word
from makalu.hw.tensor.layouts import CHAIN_BITS, bits_word, x_operand
from makalu.spec.background import BACKGROUND_BITS
from makalu.spec.chain import ZERO_EXPONENT
from makalu.spec.config import TensorConfig
from makalu.spec.quads import QUAD_ELEMENTS
from makalu.spec.sparsity import TAG_BITS
from makalu.spec.tensor_types import CARRIED_PLACES

__all__ = ["Pe"]


class Pe(wiring.Component):
    """p_out = round(x * stationary + p_in), one rounding, nearest even; p_out = p_in for an inactive x, and where the
    weight is NEUTRAL (`spec/chain.py`). Of a sparse x it is the candidate that the weight's `pick` says.

    Does not: stall, or know its place: rows outside the tile are told by `x.active`, columns are masked in PSUM.

    Rest: a register that would take what it has, or what nobody looks at, is not enabled, and an operand of the path
    that a weight is not used in, of the multiplier or of the short ones, is zero. So from a swap with an active x to
    the next one every active x must be paired, or none: a matmul has the mode of its load, or is refused. One before
    the first load of a program has no defined weights, and may have other ones here than its mode would read.

    Parameters
    ----------
    tensor : TensorConfig

    Members
    -------
    x_in : In(x_operand), x_out : Out(x_operand)
        Moving element (`layouts.py`, packed), one column a cycle. An inactive one leaves as zero; the upper part of one
        that is not paired means nothing.
    w : In(24 or 52), pick : In(4), load : In(1)
        Stationary element (`operand_word`) for the shadow register, taken in this cycle's edge if `load`; and, where
        there are candidates, which of them it meets.
    p_in : In(34), p_out : Out(34)
        Chain words (`spec/chain.py`).
    bits_in : In(17), bits_out : Out(17)
        Where there are background transposes: words of the chain of bits, and above the 16 bits whether there are any.

    Timing
    ------
    x in cycle t: x_out in t + 1, p_out in t + 1 + mul_stages + add_stages, with the p_in of t + 1 + mul_stages. One x a
    cycle. A `turn` in t, or a word in bits_in: the shadow register's sign, four low bits of its exponent and fraction,
    or that word, in bits_out in t + add_stages - 1. `swap` copies shadow to active in the edge that takes its x; a
    `load` in the same cycle comes after it.
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
                **({"pick": In(TAG_BITS)} if tensor.sparse else {}),
                **({"bits_in": In(bits_word(tensor)), "bits_out": Out(bits_word(tensor))} if tensor.background else {}),
            }
        )

    @property
    def emit_key(self) -> tuple[int | str, ...]:
        t = self.tensor
        return (t.mul_stages, t.add_stages, t.subnormals, t.products, t.candidates, t.background_bits)

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
        s1_active, s1_swap, s1_paired = Signal(), Signal(), Signal.like(x.paired)
        s1_zero = Signal()  # with reset: what the operand is at first is not known
        # with reset: rows outside a tile keep what they have, and times zero only a legal operand adds nothing
        shadow, active = Signal(word), Signal(word)
        m.d.sync += [s1_active.eq(x.active), s1_swap.eq(x.swap), s1_zero.eq(~x.active)]
        m.d.sync += s1_paired.eq(x.paired & x.active)
        quads = tensor.products == QUAD_ELEMENTS
        single, element = (s1_operand.operand, x.operand.operand) if quads else (s1_operand, x.operand)
        passing: list[Value] = []
        if tensor.background:
            s1_turn = Signal()
            m.d.sync += s1_turn.eq(x.turn)
            passing.append(s1_turn)
            self._pass_bits(m, x.turn, shadow.operand if quads else shadow)
        if tensor.sparse:
            element, its = self._choose(m, x, element)
            passing += its
        with m.If(x.active | ~s1_zero):
            m.d.sync += single.eq(element)
            with m.If(~x.active):
                # here a flip-flop's synchronous reset does it; later it would cost gates beside the multiplier
                m.d.sync += [single.significand.eq(0), single.exponent.eq(ZERO_EXPONENT)]
        if quads:
            with m.If(x.active & x.paired):
                m.d.sync += s1_operand.upper.eq(x.operand.upper)
        with m.If(x.swap):
            m.d.sync += active.eq(shadow)
        with m.If(self.load):
            m.d.sync += shadow.eq(self.w)

        m.d.comb += [
            self.x_out.eq(Cat(s1_operand, s1_active, s1_swap, s1_paired, *passing)),
            product.active.eq(s1_active),
            product.zero.eq(s1_zero),
            product.moving.eq(s1_operand),
            product.stationary.eq(active),
            product.paired.eq(s1_paired),
            adder.addend.eq(product.addend),
            adder.i.eq(CHAIN_WORD(self.p_in)),
            self.p_out.eq(adder.o),
        ]
        if tensor.products > 1:
            m.d.comb += product.short.eq(active)
            self._isolate(m, x, product, shadow)
        return m

    def _pass_bits(self, m: Module, turn: Value, shadow: data.View) -> None:
        """Bits that the shadow register carries, or those of the PE above, one register less than the sum has."""
        bits = BACKGROUND_BITS
        own = Cat(shadow.significand[:CARRIED_PLACES], shadow.exponent[: bits - 1 - CARRIED_PLACES], shadow.sign)
        valid, word = self.bits_in[bits] | turn, Mux(turn, own, self.bits_in[:bits])
        for stage in range(1, self.tensor.add_stages):
            s_valid = Signal(name=f"s{stage}_bits_valid")
            s_word = Signal(bits, name=f"s{stage}_bits", reset_less=True)
            m.d.sync += s_valid.eq(valid)
            with m.If(valid):
                m.d.sync += s_word.eq(word)
            valid, word = s_valid, s_word
        m.d.comb += self.bits_out.eq(Cat(word, valid))

    def _choose(self, m: Module, x: data.View, element: data.View) -> tuple[Value, list[Value]]:
        """The operand that the multiplier gets, and what goes on to the next PE: `sparse` and candidates.

        The choice is made of what arrives, so that the way to the multiplier has no multiplexer more.
        """
        shadow_pick, active_pick, pick = Signal(TAG_BITS), Signal(TAG_BITS), Signal(TAG_BITS)
        s1_sparse, s1_candidates = Signal(), Signal.like(x.candidates, reset_less=True)
        candidates = Array(data.View.as_value(each) for each in x.candidates)
        operand = Signal.like(data.View.as_value(element), name="operand")
        m.d.comb += [
            pick.eq(Mux(x.swap, shadow_pick, active_pick)),
            operand.eq(Mux(x.sparse, candidates[pick[: ceil_log2(len(x.candidates))]], element)),
        ]
        m.d.sync += s1_sparse.eq(x.sparse)
        with m.If(x.active & x.sparse):
            m.d.sync += s1_candidates.eq(x.candidates)
        with m.If(x.swap):
            m.d.sync += active_pick.eq(shadow_pick)
        with m.If(self.load):
            m.d.sync += shadow_pick.eq(self.pick)
        return operand, [s1_sparse, data.View.as_value(s1_candidates)]

    def _isolate(self, m: Module, x: data.View, product: Product, shadow: data.View) -> None:
        """Zeros for significands of the path that the weight is not used in, as far as its swap's element tells: an
        inactive one says nothing of those that follow it.
        """
        quads = self.tensor.products == QUAD_ELEMENTS
        single, of_single = (side.operand if quads else side for side in (product.stationary, shadow))
        pair, of_pair = (PAIR(data.View.as_value(side)[: PAIR.size]) for side in (product.short, shadow))
        paths = [(single.significand, of_single.significand, x.active & x.paired)]
        # elements 2 and 3 need none: what they meet stands still, in the upper part of the moving register
        paths += [(pair[f"significand{j}"], of_pair[f"significand{j}"], x.active & ~x.paired) for j in range(2)]
        for n, (used, value, rests) in enumerate(paths):
            register = Signal.like(value, name=f"isolated{n}")
            with m.If(x.swap):
                m.d.sync += register.eq(Mux(rests, 0, value))
            m.d.comb += used.eq(register)
