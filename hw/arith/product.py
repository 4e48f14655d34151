"""Exact product of two operands, normalised, ready for a chain adder."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.hw.arith.pair import PairSum
from makalu.hw.arith.words import ADDEND, OPERAND
from makalu.spec.chain import ADDEND_EXPONENT_BITS, PRODUCT_BITS, ZERO_EXPONENT, Kind

__all__ = ["Product"]


class Product(wiring.Component):
    """addend = moving * stationary, exact; of pairs the sum of both products (`PairSum`); -0 if not `active`.

    The product of two 12-bit significands is normalised here, after the multiplier and outside the column chain: one
    count and one shift serve every subnormal and unnormalised operand.

    Does not: round, and recognise an overflow (the exponent just grows).

    Parameters
    ----------
    mul_stages : int
        1: one register, after the shift. 2: one more after the multiplier.
    subnormals : str
        `flush`: operands are normalised or zero, so that the shift of their product is at most one place.
    products : int
        2: operands may be pairs, which keep subnormals (`ValueError` where others do not).

    Members
    -------
    active : In(1)
        0: the result is -0, the neutral element, and a NaN or infinity in an operand has no effect. `moving` must be a
        zero then.
    moving, stationary : In(OPERAND)
    paired : In(1)
        Both are a PAIR; only while active. No bit where they never are.
    addend : Out(ADDEND)

    Timing: latency = mul_stages (`latency_cycles`), one a cycle, never stalls.
    """

    def __init__(self, *, mul_stages: int, subnormals: str, products: int) -> None:
        if mul_stages not in (1, 2):
            raise ValueError(f"mul_stages must be 1 or 2, not {mul_stages}")
        if products > 1 and subnormals == "flush":
            raise ValueError("pairs keep subnormals, so they cannot be flushed")
        self.latency_cycles, self.subnormals, self.pairs = mul_stages, subnormals, products > 1
        operands = {"moving": In(OPERAND), "stationary": In(OPERAND), "paired": In(int(self.pairs))}
        super().__init__({"active": In(1), **operands, "addend": Out(ADDEND)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = self.moving, self.stationary
        invalid, infinite = Signal(), Signal()
        exact = Signal(ADDEND)
        m.d.comb += [
            invalid.eq(
                (a.kind == Kind.NAN)
                | (b.kind == Kind.NAN)
                | ((a.kind == Kind.ZERO) & (b.kind == Kind.INFINITE))
                | ((a.kind == Kind.INFINITE) & (b.kind == Kind.ZERO))
            ),
            infinite.eq((a.kind == Kind.INFINITE) | (b.kind == Kind.INFINITE)),
            exact.significand.eq(a.significand * b.significand),
            exact.exponent.eq(a.exponent + b.exponent),
            exact.sign.eq((a.sign ^ b.sign) | ~self.active),
            exact.infinite.eq(infinite & self.active),
            exact.nan.eq(invalid & self.active),
        ]
        if self.latency_cycles == 2:
            s1_exact = Signal(ADDEND, reset_less=True)
            m.d.sync += s1_exact.eq(exact)
            exact = s1_exact
        exact, paired = self._chosen(m, exact) if self.pairs else (exact, None)
        m.d.sync += self._addend(m).eq(self._normalise(m, exact, paired))
        return m

    def _chosen(self, m: Module, exact: data.View) -> tuple[data.View, Signal]:
        """The sum of a pair's products in place of the single one, and whether it is."""
        m.submodules.pair = pair = PairSum(stages=self.latency_cycles - 1)
        m.d.comb += [pair.moving.eq(self.moving), pair.stationary.eq(self.stationary)]
        paired = self.paired
        if self.latency_cycles == 2:
            paired = Signal(name="s1_paired", reset_less=True)
            m.d.sync += paired.eq(self.paired)
        chosen = Signal(ADDEND)
        m.d.comb += chosen.eq(Mux(paired, data.View.as_value(pair.addend), data.View.as_value(exact)))
        return chosen, paired

    def _addend(self, m: Module) -> data.View:
        register = Signal(ADDEND, name=f"s{self.latency_cycles}_addend", reset_less=True)
        m.d.comb += self.addend.eq(register)
        return register

    def _normalise(self, m: Module, exact: data.View, paired: Signal | None) -> data.View:
        """Leading bit to the top. A product of 0 keeps an exponent below every chain word's; a pair's sum gets one."""
        normal = Signal(ADDEND)
        significand = Signal(PRODUCT_BITS)
        exponent = Signal(signed(ADDEND_EXPONENT_BITS))
        if self.subnormals == "keep":
            zeros = leading_zeros(m, exact.significand, name="product")
            m.d.comb += [significand.eq(exact.significand << zeros), exponent.eq(exact.exponent - zeros)]
        else:
            top = exact.significand[-1]
            m.d.comb += [
                significand.eq(Mux(top, exact.significand, exact.significand << 1)),
                exponent.eq(exact.exponent - ~top),
            ]
        m.d.comb += [
            normal.eq(exact),
            normal.significand.eq(significand),
            normal.exponent.eq(exponent),
        ]
        if paired is not None:
            with m.If(paired & ~exact.significand.any()):
                m.d.comb += [normal.exponent.eq(ZERO_EXPONENT), normal.sign.eq(exact.sign & exact.infinite)]
        return normal
