"""Exact product of two operands, normalised, ready for a chain adder."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import leading_zeros
from makalu.hw.arith.pair import PairSum
from makalu.hw.arith.quad import QuadSum
from makalu.hw.arith.words import ADDEND, operand_word
from makalu.spec.chain import ADDEND_EXPONENT_BITS, PRODUCT_BITS, ZERO_EXPONENT, Kind
from makalu.spec.quads import QUAD_ELEMENTS

__all__ = ["Product"]


class Product(wiring.Component):
    """addend = moving * stationary, exact; of pairs the sum (`PairSum`), of quads too (`QuadSum`); -0 if not `active`,
    and where `stationary` is NEUTRAL.

    The product of two 12-bit significands is normalised here, after the multiplier and outside the column chain: one
    count and one shift serve every subnormal and unnormalised operand.

    Does not: round, and recognise an overflow (the exponent just grows).

    Parameters
    ----------
    mul_stages : int
        1: one register, after the shift. 2: one more after the multiplier. 3: one more before the shift.
    subnormals : str
        `flush`: operands are normalised or zero, so that the shift of their product is at most one place.
    products : int
        2: operands may be pairs, 4: quads; these keep subnormals (`ValueError` where others do not).

    Members
    -------
    active : In(1)
        0: the result is -0, the neutral element, and a NaN or infinity in an operand has no effect. `moving` must be a
        zero then.
    zero : In(1)
        `moving` is that zero: not `active`; 0 too while nobody knows what `moving` is, as at first behind power-up.
    moving, stationary : In(operand_word(products))
    short : In(operand_word(products))
        `stationary` again, for the short products; no bits where there are none. Whoever knows which of the two paths a
        stationary operand will be used in gives the other one's significands as zeros, so that nothing toggles there.
    paired : In(1)
        Both are a PAIR, or a QUAD where that may be; only while active. No bit where they never are.
    addend : Out(ADDEND)

    Timing: latency = mul_stages (`latency_cycles`), one a cycle, never stalls.

    Rest: a register that would take what it has, or what nobody looks at, is not enabled: those of the single product
    while pairs are multiplied, those of short ones while they are not, all while nothing is active.
    """

    def __init__(self, *, mul_stages: int, subnormals: str, products: int) -> None:
        if mul_stages not in (1, 2, 3):
            raise ValueError(f"mul_stages must be 1, 2 or 3, not {mul_stages}")
        if products not in (1, 2, QUAD_ELEMENTS):
            raise ValueError(f"products must be 1, 2 or {QUAD_ELEMENTS}, not {products}")
        if products > 1 and subnormals == "flush":
            raise ValueError("pairs keep subnormals, so they cannot be flushed")
        self.latency_cycles, self.subnormals, self.products = mul_stages, subnormals, products
        word = operand_word(products)
        operands = {"moving": In(word), "stationary": In(word), "paired": In(int(products > 1))}
        operands["short"] = In(word if products > 1 else 0)
        super().__init__({"active": In(1), "zero": In(1), **operands, "addend": Out(ADDEND)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        quads = self.products == QUAD_ELEMENTS
        a, b = (side.operand if quads else side for side in (self.moving, self.stationary))
        invalid, infinite, counts = Signal(), Signal(), Signal()
        exact = Signal(ADDEND)
        m.d.comb += [
            counts.eq(self.active & ~((b.kind == Kind.NAN) & ~b.significand[-1])),  # `NEUTRAL` is the one such operand
            invalid.eq(
                (a.kind == Kind.NAN)
                | (b.kind == Kind.NAN)
                | ((a.kind == Kind.ZERO) & (b.kind == Kind.INFINITE))
                | ((a.kind == Kind.INFINITE) & (b.kind == Kind.ZERO))
            ),
            infinite.eq((a.kind == Kind.INFINITE) | (b.kind == Kind.INFINITE)),
            exact.significand.eq(a.significand * b.significand),
            exact.exponent.eq(a.exponent + b.exponent),
            exact.sign.eq((a.sign ^ b.sign) | ~counts),
            exact.infinite.eq(infinite & counts),
            exact.nan.eq(invalid & counts),
        ]
        paired = self.paired if self.products > 1 else None
        neutral: Value = self.zero
        if self.latency_cycles > 1:
            exact, paired, neutral = self._later(m, 1, exact, paired, neutral)
        if paired is not None:
            exact = self._chosen(m, exact, paired)
        if self.latency_cycles > 2:
            exact, paired, neutral = self._later(m, 2, exact, paired, neutral)
        # always enabled: synthesis makes synchronous resets of its shifts' zeros, which an enable turns into gates
        addend = Signal(ADDEND, name=f"s{self.latency_cycles}_addend", reset_less=True)
        m.d.sync += addend.eq(self._normalise(m, exact, paired))
        m.d.comb += self.addend.eq(addend)
        return m

    def _resting(self, m: Module, stage: int, neutral: Value) -> tuple[Signal, Signal]:
        """Whether a stage's register is to take -0 and has it already; and whether it has it."""
        rests, s_neutral = Signal(name=f"s{stage}_rests"), Signal(name=f"s{stage}_neutral")
        m.d.sync += s_neutral.eq(neutral)  # with reset: what the register has at first is not known
        m.d.comb += rests.eq(neutral & s_neutral)
        return rests, s_neutral

    def _later(
        self, m: Module, stage: int, exact: data.View, paired: Signal | None, neutral: Value
    ) -> tuple[data.View, Signal | None, Signal]:
        """A register."""
        s_exact = Signal(ADDEND, name=f"s{stage}_exact", reset_less=True)
        rests, s_neutral = self._resting(m, stage, neutral)
        if paired is None:
            with m.If(~rests):
                m.d.sync += s_exact.eq(exact)
            return s_exact, None, s_neutral
        s_paired = Signal(name=f"s{stage}_paired", reset_less=True)
        m.d.sync += s_paired.eq(paired)
        if stage == 1:
            cleared = Signal()  # that it has the zero: with reset, as `neutral`
            m.d.sync += cleared.eq(paired)
            rests = rests | (paired & cleared)
        with m.If(~rests):
            m.d.sync += s_exact.eq(exact)
            if stage == 1:  # so that `_chosen` needs no multiplexer: here a flip-flop's synchronous reset does it
                with m.If(paired):  # of the single product beside pairs only its zero is looked at
                    m.d.sync += s_exact.significand.eq(0)
        return s_exact, s_paired, s_neutral

    def _chosen(self, m: Module, exact: data.View, paired: Signal) -> data.View:
        """The sum of short products in place of the single one; behind a register the other significand is 0."""
        if self.products == QUAD_ELEMENTS:
            short = QuadSum(cut=("none", "aligned", "products")[self.latency_cycles - 1])
        else:
            short = PairSum(stages=min(1, self.latency_cycles - 1))
        m.submodules.short = short
        m.d.comb += [
            short.moving.eq(self.moving),
            short.stationary.eq(self.short),
            short.active.eq(self.paired),
        ]
        chosen = Signal(ADDEND)
        m.d.comb += chosen.eq(Mux(paired, data.View.as_value(short.addend), data.View.as_value(exact)))
        if short.latency_cycles:
            m.d.comb += chosen.significand.eq(short.addend.significand | exact.significand)
        return chosen

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
