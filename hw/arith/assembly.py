"""All arithmetic units in all their variants beside each other, fed by one vector a cycle: one build tests them all."""

from dataclasses import dataclass
from functools import partial

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.accumulator import Accumulator
from makalu.hw.arith.chain_adder import ChainAdder
from makalu.hw.arith.convert import NarrowElement, WidenElement
from makalu.hw.arith.finalise import Finalise
from makalu.hw.arith.fp32_add import Fp32Add
from makalu.hw.arith.fp32_minmax import Fp32MinMax
from makalu.hw.arith.fp32_mul import Fp32Mul
from makalu.hw.arith.operand import OperandDecode, part_bits
from makalu.hw.arith.pair import PairDecode
from makalu.hw.arith.product import Product
from makalu.hw.arith.quad import QuadDecode
from makalu.hw.arith.words import CHAIN_WORD
from makalu.hw.lib.delay import DelayLine
from makalu.hw.lib.element import CODE_BITS
from makalu.spec.chain import CHAIN_BITS, ZERO_EXPONENT
from makalu.spec.formats import LANE_ELEMENTS, SINGLES
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import QUAD_ELEMENTS, QUADS, SCALE_BITS
from makalu.spec.tensor_types import Part

__all__ = ["CAST", "FLUSHING", "INPUTS", "OUTPUTS", "ArithAssembly", "Output"]

_PART = part_bits(max(Part))
INPUTS = data.StructLayout(
    {
        **{"a": 32, "a_dtype": CODE_BITS, "a_part": _PART, "b": 32, "b_dtype": CODE_BITS, "b_part": _PART},
        **{"word": CHAIN_BITS, "x": 32, "y": 32, "active": 1, "accumulate": 1, "select": 1, "enable": 1, "paired": 1},
        **{"a_scale": SCALE_BITS, "b_scale": SCALE_BITS},
    }
)
"""a * b + word, parts of elements, or of `paired` ones the low two in a and b; word + x if accumulate; x op y
(`select`: subtract, or the smaller), its registers by `enable`; x as an element of `a_dtype`, and the element a as
fp32; quads a and b with their scales. Dtype 0 is that of SINGLES' first."""

CAST = (*SINGLES, *(form for form in LANE_ELEMENTS if form not in SINGLES))
"""What the converters know: the array's types, the first of them for dtype 0, and integers."""

FLUSHING = ("fma", "psum")
"""Operations with units that flush subnormals; the vector engines' keep them."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One unit: its place in the output vector (32 bits each) follows from its place in OUTPUTS."""

    operation: str
    latency: int
    """Cycles from the inputs; enabled ones for the units with `enable`."""
    subnormals: str = "keep"
    mul_stages: int = 0

    @property
    def add_stages(self) -> int:
        return self.latency - self.mul_stages

    @property
    def name(self) -> str:
        """Such as fma-keep-s2-a3."""
        cuts = [f"s{self.mul_stages}"] * (self.mul_stages > 0) + [f"a{self.add_stages}"] * (self.add_stages > 0)
        return "-".join([self.operation, *[self.subnormals] * (self.operation in FLUSHING), *cuts])


OUTPUTS: tuple[Output, ...] = (
    *(
        Output(operation="fma", latency=s + a, mul_stages=s, subnormals=subnormals)
        for subnormals in ("keep", "flush")
        for s in (1, 2)
        for a in (1, 2, 3)
    ),
    *(Output(operation="quad", latency=2 * s, mul_stages=s) for s in (1, 2, 3)),
    *(Output(operation="psum", latency=a, subnormals=s) for s in ("keep", "flush") for a in (1, 2, 3)),
    *(Output(operation="add", latency=a) for a in (1, 2, 3)),
    *(Output(operation="mul", latency=a) for a in (1, 2, 3)),
    Output(operation="minmax", latency=0),
    Output(operation="narrow", latency=0),
    Output(operation="widen", latency=0),
)


class ArithAssembly(wiring.Component):
    """o[i] = OUTPUTS[i] of the inputs, `latency` cycles later.

    Members
    -------
    i : In(INPUTS)
    o : Out(ArrayLayout(32, len(OUTPUTS)))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(INPUTS.size), "o": Out(32 * len(OUTPUTS))})

    @property
    def emit_key(self) -> tuple[()]:
        return ()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results = []
        for output in OUTPUTS:
            inner = Module()
            result, latency = getattr(self, f"_{output.operation}")(inner, output, INPUTS(self.i))
            if latency != output.latency:
                raise ValueError(f"{output} must have its latency, not {latency}")
            m.submodules[output.name.replace("-", "_")] = inner
            results.append(result)
        m.d.comb += self.o.eq(Cat(results))
        return m

    def _fma(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        subnormals = output.subnormals
        forms = [form for form in SINGLES if subnormals == "keep" or not form.splits]
        products = 2 if subnormals == "keep" else 1
        decode = partial(OperandDecode, forms=forms, subnormals=subnormals, parts=max(Part))
        m.submodules.moving = moving = decode(stationary=False)
        m.submodules.stationary = stationary = decode(stationary=True)
        m.submodules.product = product = Product(mul_stages=output.mul_stages, subnormals=subnormals, products=products)
        m.submodules.adder = adder = ChainAdder(add_stages=output.add_stages, subnormals=output.subnormals)
        m.submodules.finalise = finalise = Finalise(subnormals=output.subnormals)
        # the PE's chain arrives with the product: delay the word by the product's stages
        word = i.word
        for stage in range(output.mul_stages):
            s_word = Signal(CHAIN_BITS, name=f"s{stage + 1}_word", reset_less=True)
            m.d.sync += s_word.eq(word)
            word = s_word
        m.d.comb += [
            *(moving.bits.eq(i.a), moving.dtype.eq(i.a_dtype), moving.part.eq(i.a_part)),
            *(stationary.bits.eq(i.b), stationary.dtype.eq(i.b_dtype), stationary.part.eq(i.b_part)),
            *(product.active.eq(i.active), product.zero.eq(~i.active)),
            product.moving.eq(moving.operand),
            product.stationary.eq(stationary.operand),
            adder.addend.eq(product.addend),
            adder.i.eq(CHAIN_WORD(word)),
            finalise.word.eq(adder.o),
        ]
        if products > 1:
            for side, bits, dtype in ((product.moving, i.a, i.a_dtype), (product.stationary, i.b, i.b_dtype)):
                pair = PairDecode(forms=PAIRABLE)
                m.submodules += pair
                m.d.comb += [pair.bits.eq(bits), pair.dtype.eq(dtype)]
                with m.If(i.paired):
                    m.d.comb += side.eq(pair.operand)
            m.d.comb += [product.paired.eq(i.paired), product.short.eq(product.stationary)]
        with m.If(~i.active):  # as the PE's x register does
            m.d.comb += [product.moving.significand.eq(0), product.moving.exponent.eq(ZERO_EXPONENT)]
        return finalise.bits, product.latency_cycles + adder.latency_cycles

    def _quad(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        stages, keep = output.mul_stages, {"subnormals": "keep"}
        m.submodules.product = product = Product(mul_stages=stages, products=QUAD_ELEMENTS, **keep)
        m.submodules.adder = adder = ChainAdder(add_stages=output.add_stages, **keep)
        m.submodules.finalise = finalise = Finalise(**keep)
        m.submodules.to_adder = to_adder = DelayLine(shape=CHAIN_BITS, cycles=output.mul_stages)
        sides = ((product.moving, i.a, i.a_dtype, i.a_scale), (product.stationary, i.b, i.b_dtype, i.b_scale))
        for side, bits, dtype, scale in sides:
            quad = QuadDecode(forms=QUADS)
            m.submodules += quad
            m.d.comb += [quad.bits.eq(bits), quad.dtype.eq(dtype), quad.scale.eq(scale), side.eq(quad.operand)]
        m.d.comb += [
            *(product.active.eq(i.active), product.zero.eq(~i.active)),
            product.paired.eq(i.paired),
            product.short.eq(product.stationary),
            to_adder.before.eq(i.word),
            adder.addend.eq(product.addend),
            adder.i.eq(CHAIN_WORD(to_adder.after)),
            finalise.word.eq(adder.o),
        ]
        return finalise.bits, product.latency_cycles + adder.latency_cycles

    def _psum(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = Accumulator(add_stages=output.latency, subnormals=output.subnormals)
        m.d.comb += [unit.chain.eq(i.word), unit.old.eq(i.x), unit.accumulate.eq(i.accumulate)]
        return unit.result, unit.latency_cycles

    def _add(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = Fp32Add(stages=output.latency)
        m.d.comb += [unit.a.eq(i.x), unit.b.eq(i.y), unit.subtract.eq(i.select), unit.enable.eq(i.enable)]
        return unit.o, unit.latency_cycles

    def _mul(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = Fp32Mul(stages=output.latency)
        m.d.comb += [unit.a.eq(i.x), unit.b.eq(i.y), unit.enable.eq(i.enable)]
        return unit.o, unit.latency_cycles

    def _minmax(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = Fp32MinMax()
        m.d.comb += [unit.a.eq(i.x), unit.b.eq(i.y), unit.smaller.eq(i.select)]
        return unit.o, unit.latency_cycles

    def _narrow(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = NarrowElement(formats=CAST)
        m.d.comb += [unit.i.eq(i.x), unit.dtype.eq(i.a_dtype)]
        return unit.o, unit.latency_cycles

    def _widen(self, m: Module, output: Output, i: data.View) -> tuple[Value, int]:
        m.submodules.unit = unit = WidenElement(formats=CAST, word_bytes=len(i.a) // 8)
        m.d.comb += [unit.word.eq(i.a), unit.dtype.eq(i.a_dtype)]
        return unit.o, unit.latency_cycles
