# amaranth: UnusedElaboratable=no
"""Sizes, places and conversions of elements in the RTL against golden's, with two formats that have no row."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from makalu.hw.arith.convert import Narrow, NarrowElement, Widen, WidenElement
from makalu.hw.lib.element import below_size, byte_mask, element_size
from makalu.sim_models.golden.formats import narrow, storage, widen
from makalu.spec.formats import E5M2, FORMAT_OF_CODE, FP16, LANE_ELEMENTS, Format, FormatKind, Overflow
from tests.faults.planting import planted_class
from verif.lib.lane_programs import corner_values

OTHER = {"exponent_bits": 8, "fraction_bits": 0, "size_log2": 0, "code": 31}
SCALE = Format(name="scale", long_name="scale", kind=FormatKind.SCALE, signed=False, overflow=Overflow.NAN, **OTHER)
FOUR = {"exponent_bits": 2, "fraction_bits": 1, "size_log2": 1, "code": 30, "elements": 4}
PACKED = Format(name="packed", long_name="packed", kind=FormatKind.FINITE, overflow=Overflow.SATURATE, **FOUR)
SHORT = Format(name="short", long_name="short", code=0, size_log2=1, exponent_bits=8, fraction_bits=3)
FINITE = replace(E5M2, name="finite", code=15, kind=FormatKind.FINITE, overflow=Overflow.SATURATE)
FORMS = (*LANE_ELEMENTS, SHORT, FINITE)
WORD_BYTES = 16
WORDS = 60
NARROWED = 1500


def simulated(component, bench):
    simulator = Simulator(component)
    simulator.add_testbench(bench)
    simulator.run()


def wrong_widening(widening):
    """(format, position) of elements that differ from golden's."""
    dut, wrong = widening(formats=FORMS, word_bytes=WORD_BYTES), []
    words = corner_values(np.random.default_rng(1), (WORDS, WORD_BYTES // 4))

    async def bench(ctx):
        for word in words:
            ctx.set(dut.word, int.from_bytes(word.tobytes(), "little"))
            for form in FORMS:
                ctx.set(dut.dtype, form.code)
                for position in range(0, WORD_BYTES, form.bytes):
                    ctx.set(dut.position, position)
                    element = word.view(storage(form))[position // form.bytes]
                    await ctx.delay(1e-9)
                    if ctx.get(dut.o) != int(widen(form, element)):
                        wrong.append((form.name, position))

    simulated(dut, bench)
    return wrong


def wrong_narrowing(narrowing):
    dut, wrong = narrowing(formats=FORMS), []
    values = corner_values(np.random.default_rng(2), (NARROWED,))

    async def bench(ctx):
        for form in FORMS:
            ctx.set(dut.dtype, form.code)
            for value, want in zip(values.tolist(), narrow(form, values).tolist(), strict=True):
                ctx.set(dut.i, value)
                await ctx.delay(1e-9)
                if ctx.get(dut.o) != want:
                    wrong.append((form.name, value))

    simulated(dut, bench)
    return wrong


def narrowing_alone(kind):
    """Of one format's unit by itself."""
    dut, wrong = kind(FP16), []
    values = corner_values(np.random.default_rng(3), (2 * NARROWED,))

    async def bench(ctx):
        for value, want in zip(values.tolist(), narrow(FP16, values).tolist(), strict=True):
            ctx.set(dut.i, value)
            await ctx.delay(1e-9)
            if ctx.get(dut.o) != want:
                wrong.append(value)

    simulated(dut, bench)
    return wrong


def widening_alone(kind):
    """Of every element of one format's unit by itself."""
    dut, wrong = kind(FP16), []
    codes = np.arange(1 << FP16.bits).astype(storage(FP16))[::7]

    async def bench(ctx):
        for code, want in zip(codes.tolist(), widen(FP16, codes).tolist(), strict=True):
            ctx.set(dut.i, code)
            await ctx.delay(1e-9)
            if ctx.get(dut.o) != want:
                wrong.append(code)

    simulated(dut, bench)
    return wrong


def test_elements_widen_from_every_place():
    assert not wrong_widening(WidenElement)


def test_elements_narrow_to_every_format():
    assert not wrong_narrowing(NarrowElement)


@pytest.mark.parametrize(
    ("place", "old", "new", "wrong"),
    [
        ("WidenElement", "form.size_log2)[form.padding :]", "form.size_log2)", wrong_widening),
        ("WidenElement", "self.position, form.size_log2", "self.position, 2", wrong_widening),
        ("NarrowElement", "Cat(Const(0, form.padding), narrow.o)", "narrow.o", wrong_narrowing),
        ("Narrow", "rest[:-1].any() | kept[0]", "1", narrowing_alone),
        ("Narrow", "Const(form.beyond,", "Const(form.largest,", narrowing_alone),
        ("Narrow", "most = form.fraction_bits + 2", "most = form.fraction_bits + 1", narrowing_alone),
        ("Narrow", "target < 1)", "target < 0)", narrowing_alone),
        ("Widen", "fraction.any()", "1", widening_alone),
        ("Widen", "wide << 1 << places", "wide << places", widening_alone),
    ],
)
def test_a_planted_fault_is_seen(place, old, new, wrong):
    assert wrong(planted_class(f"arith.convert.{place}", old, new))


def test_sizes_and_masks_follow_the_code():
    m, code = Module(), Signal(5)
    outputs = {name: Signal(8, name=name) for name in ("size", "mask", "below")}
    size = element_size(code)
    m.d.comb += [outputs["size"].eq(size), outputs["mask"].eq(byte_mask(size)), outputs["below"].eq(below_size(size))]

    async def bench(ctx):
        for value in range(32):
            ctx.set(code, value)
            await ctx.delay(1e-9)
            count = FORMAT_OF_CODE[value].bytes if value in FORMAT_OF_CODE else 1
            got = {name: ctx.get(signal) for name, signal in outputs.items()}
            assert got == {"size": count.bit_length() - 1, "mask": (1 << count) - 1, "below": count - 1}

    simulated(m, bench)


@pytest.mark.parametrize("unit", [Widen, Narrow, lambda form: widen(form, 0), lambda form: narrow(form, 0)])
@pytest.mark.parametrize("form", [SCALE, PACKED], ids=lambda f: f.name)
def test_a_format_without_arithmetic_is_refused(unit, form):
    with pytest.raises(ValueError, match=f"{form.name} has no conversion"):
        unit(form)
