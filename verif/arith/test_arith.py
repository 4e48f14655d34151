"""Every arithmetic unit on streams of operands, one a cycle, against SoftFloat (and golden where flush is defined)."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from makalu.hw.arith.assembly import INPUTS, OUTPUTS
from makalu.sim_models.golden.arithmetic import fma_chain_step, fp32_add, fp32_max, fp32_min
from makalu.sim_models.golden.formats import narrow, widen
from makalu.spec.formats import BF16
from makalu.sw.rtl.params import bench_params
from verif.arith.cancellation import absent_cancellations, cancelling_pairs, cancelling_triples
from verif.arith.vectors import (
    absent_classes,
    canonical,
    fma_operands,
    fp32_operands,
    fp32_pairs,
    fp32_partners,
    softfloat_add,
    softfloat_fma,
    softfloat_mul,
    softfloat_sub,
    special_pairs,
    special_triples,
)

SIGN = 1 << 31
SMALLEST_NORMAL = 0x00800000


def chain_words(rng, bits):
    """Chain words of fp32 bits as an adder may leave them: increment pending or not, infinity and NaN in any form."""
    bits = bits.astype(np.uint64)
    sign, magnitude = bits >> np.uint64(31), bits & np.uint64(SIGN - 1)
    pending = (rng.integers(0, 2, len(bits)) == 1) & (magnitude > 0) & (magnitude <= 0x7F800000)
    magnitude = magnitude - pending
    infinite = (bits & np.uint64(SIGN - 1) == 0x7F800000) & ~pending
    # a product beyond fp32: exponents 255 .. 383 with any fraction
    beyond = rng.integers(255 << 23, 384 << 23, len(bits)).astype(np.uint64)
    nan = bits & np.uint64(SIGN - 1) > 0x7F800000
    magnitude = np.select([infinite, nan], [beyond, (511 << 23) | (magnitude & np.uint64(0x7FFFFF))], magnitude)
    increment = np.where(nan | infinite, rng.integers(0, 2, len(bits)), pending).astype(np.uint64)
    # exponent 383 with all ones may carry; it stays infinity
    return magnitude | sign << np.uint64(32) | increment << np.uint64(33)


def flush_chain(bits):
    """Which numbers a flushing chain can hold; not the smallest normal one either, as a subnormal with an increment."""
    magnitude = bits & (SIGN - 1)
    return (magnitude == 0) | (magnitude > SMALLEST_NORMAL)


def packed(columns, count):
    """One integer a vector, fields as in INPUTS."""
    total = [0] * count
    for name, field in INPUTS:
        if name in columns:
            offset = field.offset
            total = [t | int(v) << offset for t, v in zip(total, np.asarray(columns[name]).tolist(), strict=True)]
    return total


async def stream(dut, columns):
    """Drive the vectors, one a cycle; what is visible in each cycle, [cycles, outputs]."""
    count = len(next(iter(columns.values())))
    Clock(dut.clk, 2, unit="ns").start()
    dut.rst.value = 0
    # until no register is undefined any more; those of a product rest without one of their kind
    for vector in packed({"enable": [1, 1], "active": [1, 1], "paired": [1, 0]}, 2):
        dut.i.value = vector
        for _ in range(1 + max(output.latency for output in OUTPUTS)):
            await RisingEdge(dut.clk)
    seen = []
    for vector in packed(columns, count):
        dut.i.value = vector
        await RisingEdge(dut.clk)  # reads what this cycle shows, before its edge takes effect
        seen.append(dut.o.value.to_bytes(byteorder="little"))
    shape = (count, len(OUTPUTS))
    return np.frombuffer(b"".join(seen), "<u4").reshape(shape)


def same(output, got, want, *operands):
    """Every result is right, and there are enough of them."""
    least = bench_params()["least"]
    assert len(got) >= least, f"{output}: {len(got)} results, fewer than {least}"
    wrong = np.flatnonzero(got != want)
    if wrong.size:
        i = wrong[0]
        shown = " ".join(f"{int(operand[i]):#x}" for operand in operands)
        text = f"{wrong.size} of {len(got)} differ, first ({shown}): {got[i]:#x}, not {want[i]:#x}"
        raise AssertionError(f"{output}: {text}")


def joined(*parts):
    """Columns of operands, one part after the other."""
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def full(operation, *operands):
    """No combination of classes is absent from what was judged; a sample that has no specials is left alone."""
    absent = absent_classes(*operands) if bench_params()["specials"] else []
    assert not absent, f"{operation}: {len(absent)} combinations of classes never came, first {absent[0]}"


def values(bits):
    """As doubles, of fp32 bits."""
    return bits.view(np.float32).astype(np.float64)


def deep(operation, x, y):
    """No depth of cancellation is absent from the sums that were judged: every place of the adder's marker was met."""
    absent = absent_cancellations(x, y)
    assert not absent, f"{operation}: {len(absent)} cancellations never came, first {absent[0]}"


def each(operation, subnormals="keep"):
    found = [(i, o) for i, o in enumerate(OUTPUTS) if (o.operation, o.subnormals) == (operation, subnormals)]
    assert found
    return found


@cocotb.test()
async def chain(dut):
    """Fused multiply-add for each cut and subnormal rule, PSUM's adder, and the converters beside them.

    round(a * b + word), inactive: word; round(word + old), or word; bf16 of `old`; fp32 of a. First every combination
    of special a, b and word, and of word and old, once each added and overwritten; then every cancellation.
    """
    count = bench_params()["vectors"]
    rng = np.random.default_rng(bench_params()["seed"])
    a, b, p = fma_operands(rng, count)
    old = fp32_partners(rng, p)
    tie = rng.integers(0, 8, count) == 0
    old = np.where(tie, (old & 0xFFFF0000) | 0x8000, old).astype(np.uint32)
    active, accumulate = rng.integers(0, 10, count) > 0, rng.integers(0, 4, count) > 0
    deepest = cancelling_triples(rng)
    on = np.full(len(deepest[0]), True)
    a, b, p, old, active, accumulate = joined((*deepest, on, on), (a, b, p, old, active, accumulate))
    if bench_params()["specials"]:
        triples, (olds, words) = special_triples(), special_pairs()
        times = len(triples[0]) // len(olds)
        assert np.array_equal(np.tile(words, times), triples[2]), "old must go through its values beside each word"
        turns = np.repeat(np.arange(times) % 2 == 0, len(olds))
        a, b, p, old, active, accumulate = joined(
            (*triples, np.tile(olds, times), np.full(len(turns), True), turns), (a, b, p, old, active, accumulate)
        )
    count = len(a)
    word = chain_words(rng, p)
    seen = await stream(dut, {"a": a, "b": b, "word": word, "x": old, "active": active, "accumulate": accumulate})
    wants = {
        ("fma", "keep"): np.where(active, softfloat_fma(a, b, p), canonical(p)),
        ("fma", "flush"): np.where(active, fma_chain_step(a, b, p, subnormals="flush"), canonical(p)),
        ("psum", "keep"): np.where(accumulate, softfloat_add(p, old), canonical(p)),
        ("psum", "flush"): np.where(accumulate, fp32_add(p, old, subnormals="flush"), canonical(p)),
        ("narrow", "keep"): narrow(BF16, old).astype(np.uint32),
        ("widen", "keep"): widen(BF16, a),
    }
    for (operation, subnormals), want in wants.items():
        legal = np.full(count, True) if subnormals == "keep" else flush_chain(p)
        for i, output in each(operation, subnormals):
            # a result for every legal vector but the last ones, which are still inside
            source = np.flatnonzero(legal[: count - output.latency])
            operands = [column[source] for column in (a, b, p, old)]
            same(output, seen[source + output.latency, i], want[source], *operands)
    # the last few are not judged by the longest unit; none of the specials and cancellations is among them
    with np.errstate(all="ignore"):
        product = values(widen(BF16, a)) * values(widen(BF16, b))
    deep("fma", product[active], values(p)[active])
    deep("psum", values(p)[accumulate], values(old)[accumulate])
    full("fma", a[active], b[active], p[active])
    full("psum", p[accumulate], old[accumulate])
    full("psum that overwrites", p[~accumulate], old[~accumulate])


async def enabled(dut, rng, columns, wants, *, certain):
    """Registers move in enabled cycles only: a result shows after `latency` of them; the first `certain` all are.

    Returns the numbers of the vectors that every unit was judged on.
    """
    count = len(columns["x"])
    enable = (rng.integers(0, 5, count) > 0) | (np.arange(count) < certain)
    judged = np.full(count, True)
    seen = await stream(dut, {**columns, "enable": enable})
    moved = np.flatnonzero(enable)
    before = np.cumsum(enable) - enable
    for operation, want in wants.items():
        for i, output in each(operation):
            valid = np.arange(count)
            source = valid
            if output.latency:
                valid = np.flatnonzero(before >= output.latency)
                source = moved[before[valid] - output.latency]
            same(output, seen[valid, i], want[source], columns["x"][source], columns["y"][source])
            judged &= np.isin(np.arange(count), source)
    return np.flatnonzero(judged)


@cocotb.test()
async def add_and_compare(dut):
    """x + y or x - y; the larger or the smaller (against golden, which is held against numpy)."""
    rng = np.random.default_rng(bench_params()["seed"] + 1)
    x, y = fp32_pairs(rng, bench_params()["enabled_vectors"])
    random = len(x)
    select = rng.integers(0, 2, random)
    for turn in (0, 1):
        first, second = cancelling_pairs(rng)
        second = second ^ np.uint32(SIGN * turn)
        x, y, select = joined((first, second, np.full(len(first), turn)), (x, y, select))
    if bench_params()["specials"]:
        one = special_pairs()
        x, y, select = joined(*((*one, np.full(len(one[0]), turn)) for turn in (0, 1)), (x, y, select))
    wants = {
        "add": np.where(select, softfloat_sub(x, y), softfloat_add(x, y)),
        "minmax": np.where(select, fp32_min(x, y), fp32_max(x, y)),
    }
    judged = await enabled(dut, rng, {"x": x, "y": y, "select": select}, wants, certain=len(x) - random)
    for turn in (0, 1):
        chosen = judged[select[judged] == turn]
        full(f"add, select {turn}", x[chosen], y[chosen])
        deep(f"add, select {turn}", values(x[chosen]), values(y[chosen] ^ np.uint32(SIGN * turn)))


@cocotb.test()
async def multiply(dut):
    """x * y, half of them around either end of the range."""
    count = bench_params()["enabled_vectors"]
    rng = np.random.default_rng(bench_params()["seed"] + 2)
    x, y = fp32_operands(rng, count), fp32_operands(rng, count)
    target = rng.choice(np.array([-24, -12, -1, 0, 1, 254, 255]), count)
    exponent = np.clip(target + 127 - ((x >> 23) & 0xFF).astype(np.int64), 0, 254).astype(np.uint32)
    y = np.where(rng.integers(0, 2, count) == 0, (y & 0x807FFFFF) | (exponent << 23), y).astype(np.uint32)
    if bench_params()["specials"]:
        x, y = joined(special_pairs(), (x, y))
    judged = await enabled(dut, rng, {"x": x, "y": y}, {"mul": softfloat_mul(x, y)}, certain=len(x) - count)
    full("mul", x[judged], y[judged])
