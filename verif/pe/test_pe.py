"""One PE: x, stationary registers, swap and chain in every cycle against the lockstep model."""

import itertools
import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from makalu.hw.tensor.layouts import operand_word, x_operand
from makalu.sim_models.golden.arithmetic import fma_chain_step
from makalu.sim_models.lockstep.operand import operand_values, operand_words
from makalu.sim_models.lockstep.pe import PeInputs, PeModel
from makalu.sim_models.lockstep.short import pair_words, quad_words, short_products
from makalu.spec.chain import NEUTRAL, OPERAND_BITS, ZERO_EXPONENT, Kind
from makalu.spec.config import TensorConfig
from makalu.spec.formats import BF16, FP32, Format
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import QUAD_ELEMENTS, QUADS, SCALE_BIAS, SCALE_NAN
from makalu.spec.sparsity import SPARSE
from makalu.sw.rtl.params import bench_params
from verif.arith.cancellation import absent_cancellations, cancelling_triples, count_sums
from verif.arith.vectors import (
    absent_classes,
    bf16_operands,
    bf16_partners,
    chain_partners,
    fp32_operands,
    special_triples,
)
from verif.lib.compare import compare
from verif.lib.pack import unpack
from verif.lib.sampling import drive, reset, start_clock
from verif.pe.bench import tensor_of
from verif.psum.chain import chain_word
from verif.tensor.elements import operand_kinds, random_elements
from verif.tensor.encoding import finalised

SMALLEST_NORMAL, LARGEST = 0x00800000, 0x7F7FFFFF
BF16_HALF, BF16_MINUS_ONE = 0x7F00, 0xBF80
"""2^127, half of what is too large; -1."""
SPECIALS = 20
"""Values that `special_triples` has of each operand."""


def tensor() -> TensorConfig:
    return tensor_of(bench_params()["config"])


class Bench:
    """One PE beside its model."""

    def __init__(self, dut) -> None:
        self.dut, self.tensor = dut, tensor()
        self.model = PeModel(tensor=self.tensor)
        self.rng = random.Random(bench_params()["seed"])
        self.cycle = self.choices = 0
        self.seen = {"x": 0, "p": 0, "inactive": 0, "swap": 0, "reload": 0}
        self.products: list[float] = []
        self.chains: list[int] = []

    async def start(self) -> None:
        start_clock(self.dut)
        await reset(self.dut, {"x_in": 0, "w": 0, "load": 0, "p_in": 0} | ({"pick": 0} if self.tensor.sparse else {}))
        await RisingEdge(self.dut.clk)

    def operands(self, bits: np.ndarray, form: Format = BF16, part: int = 0, *, stationary: bool) -> np.ndarray:
        subnormals = self.tensor.subnormals
        return operand_words(bits, form=form, part=part, stationary=stationary, subnormals=subnormals)

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Product and chain that met in each cycle in which both were defined."""
        return np.array(self.products), np.array(self.chains, np.uint32).view(np.float32).astype(np.float64)

    async def play(self, *, x: np.ndarray, w: np.ndarray, **columns: np.ndarray) -> None:
        """Inputs of PeInputs, a cycle each, but x and w as bf16."""
        await self.play_words(x=self.operands(x, stationary=False), w=self.operands(w, stationary=True), **columns)

    async def play_words(self, **columns: np.ndarray) -> None:
        """Inputs of PeInputs, a cycle each."""
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            await self.step(PeInputs(**dict(zip(columns, row, strict=True))))

    async def step(self, inputs: PeInputs) -> int | None:
        """One cycle; p_out if it is defined."""
        bits, layout = self.tensor.operand_bits, x_operand(self.tensor)
        x = inputs.x | inputs.active << bits | inputs.swap << bits + 1 | inputs.paired << bits + 2
        choice = {}
        if self.tensor.sparse:
            low = layout["candidates"].offset
            x |= inputs.sparse << layout["sparse"].offset
            x |= sum(int(each) << low + n * OPERAND_BITS for n, each in enumerate(inputs.candidates))
            choice = {"pick": inputs.pick}
        p_in = chain_word(inputs.p, self.rng)
        drive(self.dut, {"x_in": x, "w": inputs.w, "load": int(inputs.load), "p_in": p_in} | choice)
        await RisingEdge(self.dut.clk)
        want = self.model.comb()
        rtl, model = {}, {}
        if want.p is not None:
            rtl["p_out"] = finalised(self.dut.p_out.value.to_unsigned(), subnormals=self.tensor.subnormals)
            model["p_out"] = want.p
            self.seen["p"] += 1
        if want.candidates is not None:
            rtl["candidates"] = int(str(self.dut.x_out.value)[: -layout["candidates"].offset], 2)
            model["candidates"] = sum(int(each) << n * OPERAND_BITS for n, each in enumerate(want.candidates))
            self.choices += want.sparse
        if want.x is not None:
            # candidates have no value before the first ones
            known = layout["candidates"].offset if self.tensor.sparse else layout.size
            out = unpack(layout, int(str(self.dut.x_out.value)[-known:], 2))
            kinds = ("active", "swap", "paired", *(["sparse"] if self.tensor.sparse else []))
            rtl |= {kind: out[kind] for kind in kinds}
            model |= {kind: int(getattr(want, kind)) for kind in kinds}
            operand = unpack(operand_word(self.tensor.products), want.x)
            if self.tensor.products == QUAD_ELEMENTS:
                if want.paired:
                    rtl["upper"], model["upper"] = out["operand"]["upper"], operand["upper"]
                operand, out["operand"] = operand["operand"], out["operand"]["operand"]
            if not want.active:  # leaves as a zero; kind and sign mean nothing
                operand |= {"significand": 0, "exponent": ZERO_EXPONENT}
                out["operand"] |= {"kind": Kind.ZERO, "sign": 0}
                operand |= {"kind": Kind.ZERO, "sign": 0}
                self.seen["inactive"] += 1
            rtl |= out["operand"]
            model |= operand
            self.seen["x"] += 1
        compare(self.cycle, rtl, model, "pe")
        self.seen["swap"] += inputs.swap
        self.seen["reload"] += inputs.swap and inputs.load
        if self.model.product is not None:
            self.products.append(self.model.product)
            self.chains.append(inputs.p)
        self.model.tick(inputs)
        self.cycle += 1
        return want.p


def chains(values: np.ndarray, subnormals: str) -> np.ndarray:
    """What a chain can hold: canonical NaNs, and no subnormal (nor its neighbour, with an increment) if it flushes."""
    magnitude = values & 0x7FFFFFFF
    values = np.where(magnitude > 0x7F800000, 0x7FC00000, values)
    if subnormals == "flush":
        values = np.where(magnitude <= SMALLEST_NORMAL, 0x3F800000, values)
    return values.astype(np.uint32)


def in_force(w: np.ndarray, load: np.ndarray, swap: np.ndarray) -> np.ndarray:
    """The weight that each cycle's x meets: of the last load before the last swap (any, before the first)."""
    cycles = np.arange(len(w))
    loaded = np.maximum.accumulate(np.where(load, cycles, -1))
    shadow = np.concatenate([[-1], loaded[:-1]])  # in one edge the swap comes first
    return w[shadow[np.maximum.accumulate(np.where(swap, cycles, 0))]]


@cocotb.test()
async def random_cycles(dut):
    """Any combination of load, swap, active and operands of all kinds in every cycle.

    x is aimed at the weight that it meets, and p at their product, which it meets 1 + S cycles after x.
    """
    b = Bench(dut)
    await b.start()
    count = bench_params()["cycles"]
    numbers = np.random.default_rng(bench_params()["seed"])
    active, swap, load = (numbers.random(count) < share for share in (0.8, 0.4, 0.4))
    w = bf16_operands(numbers, count)
    met = in_force(w, load, swap)
    x = bf16_partners(numbers, met)
    p = np.roll(chain_partners(numbers, x, met), 1 + b.tensor.mul_stages)
    await b.play(x=x, active=active, swap=swap, w=w, load=load, p=chains(p, b.tensor.subnormals))
    assert min(b.seen.values()) > count // 20, b.seen
    sums = count_sums(*b.sums())
    cocotb.log.info("of %s sums: %s", count, sums)
    # where p cannot be subnormal, fewer sums are
    least = count // (25 if b.tensor.subnormals == "keep" else 100)
    assert sums["deep cancellation"] > count // 20 and sums["subnormal sum"] > least, sums


async def play_triples(b: Bench, a: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
    """Each `a * weights + sums`, another weight in each cycle; `sums` are numbers that a chain can hold."""
    behind = 1 + b.tensor.mul_stages
    cycles = len(a) + 1 + behind + b.tensor.add_stages + 1

    def from_cycle(start: int, values: np.ndarray) -> np.ndarray:
        return np.pad(values, (start, cycles - start - len(values)))

    on = np.ones(len(a), bool)
    await b.play(
        w=from_cycle(0, weights),
        load=from_cycle(0, on),
        x=from_cycle(1, a),
        active=from_cycle(1, on),
        swap=from_cycle(1, on),
        p=from_cycle(1 + behind, chains(sums, b.tensor.subnormals)),
    )


@cocotb.test()
async def cancellation(dut):
    """A subnormal sum of each exponent and leading place."""
    b = Bench(dut)
    await b.start()
    a, weights, sums, _ = cancelling_triples(np.random.default_rng(bench_params()["seed"]))
    await play_triples(b, a, weights, sums)
    absent = absent_cancellations(*b.sums())
    # some of the sums begin at a subnormal number, which a chain that flushes cannot hold
    assert not absent or b.tensor.subnormals == "flush", f"{len(absent)} never came, first {absent[0]}"


@cocotb.test()
async def every_operand(dut):
    """Elements of every format that the array may have, each part of them, with one of any other, onto what cancels;
    some meet no weight.
    """
    b = Bench(dut)
    await b.start()
    numbers, kinds = np.random.default_rng(bench_params()["seed"]), operand_kinds(b.tensor)
    each = 2 + bench_params()["cycles"] // len(kinds) ** 2
    shape = (each, len(kinds), len(kinds))
    words, values = [np.zeros(shape, np.int64) for _ in range(2)], [np.zeros(shape) for _ in range(2)]
    for side, stationary in enumerate((False, True)):
        for n, (form, part) in enumerate(kinds):
            at = (slice(None), n) if side == 0 else (slice(None), slice(None), n)
            bits = random_elements(numbers, form, (each, len(kinds)), specials=0.2)
            words[side][at] = b.operands(bits, form, part, stationary=stationary)
            values[side][at] = operand_values(words[side][at], stationary=stationary)
    with np.errstate(invalid="ignore", over="ignore"):
        product = (values[0] * values[1]).ravel()
        near = (product * numbers.choice([-1, -1 - 2**-12, 0.5, 2.0**-20], product.shape)).astype(np.float32)
    count = len(near)
    words[1] = np.where(numbers.random(shape) < 0.05, NEUTRAL, words[1])
    sums = np.where(numbers.random(count) < 0.2, fp32_operands(numbers, count), near.view(np.uint32))
    behind = 1 + b.tensor.mul_stages
    cycles = count + 1 + behind + b.tensor.add_stages + 1
    place = {"w": 0, "load": 0, "x": 1, "active": 1, "swap": 1, "p": 1 + behind}
    on = np.ones(count, bool)
    columns = {"x": words[0].ravel(), "active": on, "swap": on, "w": words[1].ravel(), "load": on}
    columns["p"] = chains(np.where(np.isnan(near), np.uint32(0x7FC00000), sums), b.tensor.subnormals)
    await b.play_words(**{n: np.pad(v, (place[n], cycles - place[n] - count)) for n, v in columns.items()})
    cocotb.log.info("%s operands: %s", len(kinds), count_sums(*b.sums()))


@cocotb.test()
async def every_pair(dut):
    """Pairs of short elements times pairs, each format beside each, specials among them, onto what cancels; in between
    single operands, which meet pairs only while they are inactive. Where there are no pairs, nothing.
    """
    b = Bench(dut)
    await b.start()
    if b.tensor.products == 1:
        return
    numbers = np.random.default_rng(bench_params()["seed"])
    for forms in itertools.product(PAIRABLE, PAIRABLE):
        count = max(30, bench_params()["cycles"] // 9)
        sides = [random_elements(numbers, form, (2, count), specials=0.2) for form in forms]
        products = b.tensor.products
        words = [pair_words(bits, form=form, products=products) for bits, form in zip(sides, forms, strict=True)]
        await play_short(b, numbers, *words)
    cocotb.log.info("pairs: %s", count_sums(*b.sums()))


@cocotb.test()
async def every_quad(dut):
    """Quads of every format times quads of every, as `every_pair`, with scales of all sizes and none; where there are
    no quads, nothing.
    """
    b = Bench(dut)
    await b.start()
    if b.tensor.products < QUAD_ELEMENTS:
        return
    numbers = np.random.default_rng(bench_params()["seed"])
    for forms in itertools.product(QUADS, QUADS):
        count = max(60, bench_params()["cycles"] // 6)
        # exponents near 0 often, so that chains of every kind meet the sums; now and then sums at both ends
        both = numbers.choice([0, 0, 20, 140], count) * numbers.choice([-1, 1], count) + numbers.integers(-3, 4, count)
        first = numbers.integers(-100, 101, count)
        scales = [np.clip(SCALE_BIAS + each, 0, SCALE_NAN - 1) for each in (first, both - first)]
        scales = [
            np.where(numbers.random(count) < 0.03, numbers.choice([0, SCALE_NAN], count), each) for each in scales
        ]
        words = [
            quad_words(random_elements(numbers, form, (count,), specials=0.5), scale, form=form)
            for form, scale in zip(forms, scales, strict=True)
        ]
        await play_short(b, numbers, *words)
    cocotb.log.info("quads: %s", count_sums(*b.sums()))


@cocotb.test()
async def every_choice(dut):
    """Each candidate by each pick, of every format of sparse tiles and special ones among them, with any weight and in
    between single elements; a tenth are inactive, and not every one swaps. Where there are no candidates, nothing.
    """
    b = Bench(dut)
    await b.start()
    if not b.tensor.sparse:
        return
    numbers, forms = np.random.default_rng(bench_params()["seed"]), [f for f in b.tensor.singles if f in SPARSE]
    count, behind, width = bench_params()["cycles"], 1 + b.tensor.mul_stages, b.tensor.candidates
    candidates, weights = np.zeros((count, width), np.int64), np.zeros(count, np.int64)
    for n, (own, other) in enumerate(itertools.product(forms, forms)):
        rows = slice(n, None, len(forms) ** 2)
        drawn = random_elements(numbers, own, candidates[rows].shape, specials=0.2)
        candidates[rows] = b.operands(drawn, own, stationary=False)
        weights[rows] = b.operands(
            random_elements(numbers, other, weights[rows].shape, specials=0.2), other, stationary=True
        )
    pick, swap, active = numbers.integers(0, width, count), numbers.random(count) < 0.7, numbers.random(count) < 0.9
    sparse = active & (numbers.random(count) < 0.8)
    on = np.ones(count, bool)
    met, its = in_force(weights, on, swap), in_force(pick, on, swap)
    chosen = np.where(sparse, candidates[np.arange(count), its], candidates[:, 0])
    with np.errstate(invalid="ignore", over="ignore"):
        product = operand_values(chosen, stationary=False) * operand_values(met, stationary=True)
        near = (product * numbers.choice([-1, -1 - 2**-12, 0.5, 2.0**-20], count)).astype(np.float32)
    sums = np.where(np.isnan(near), np.uint32(0x7FC00000), near.view(np.uint32))
    seen = {(int(p), int(c)) for p, c in zip(its[sparse], chosen[sparse], strict=True)}
    assert {p for p, _ in seen} == set(range(width))
    await b.play_words(
        **{"x": candidates[:, 0], "active": active, "swap": swap, "w": weights, "load": on, "sparse": sparse},
        **{"candidates": candidates, "pick": pick, "p": chains(np.roll(sums, behind), b.tensor.subnormals)},
    )
    assert b.choices > count // 2, b.choices
    cocotb.log.info("choices: %s", count_sums(*b.sums()))


async def play_short(b: Bench, numbers: np.random.Generator, x: np.ndarray, w: np.ndarray) -> None:
    """Words of pairs or quads, onto what nearly cancels their sums; a tenth are beside an inactive x."""
    count, behind = len(x), 1 + b.tensor.mul_stages
    product = short_products(x, w, b.tensor.products)
    with np.errstate(invalid="ignore", over="ignore"):
        near = (product * numbers.choice([-1, -1 - 2**-12, 0.5, 2.0**-20], count)).astype(np.float32)
    sums = np.where(numbers.random(count) < 0.2, fp32_operands(numbers, count), near.view(np.uint32))
    alone = numbers.random(count) < 0.1
    cycles = count + 1 + behind + b.tensor.add_stages + 1
    place = {"w": 0, "load": 0, "x": 1, "active": 1, "paired": 1, "swap": 1, "p": 1 + behind}
    on = np.ones(count, bool)
    columns = {"x": x, "active": ~alone, "paired": ~alone | (numbers.random(count) < 0.5), "swap": on}
    columns |= {"w": w, "load": on, "p": chains(sums, b.tensor.subnormals)}
    await b.play_words(**{n: np.pad(v, (place[n], cycles - place[n] - count)) for n, v in columns.items()})


@cocotb.test()
async def every_pair_of_classes(dut):
    """Zeros, subnormals, numbers, infinities and NaNs of both signs times each, any of these as the chain."""
    b = Bench(dut)
    await b.start()
    numbers = np.random.default_rng(bench_params()["seed"])
    triples = [column.reshape(-1, SPECIALS) for column in special_triples()]  # a row has every chain
    chosen = np.arange(SPECIALS**2), numbers.integers(0, SPECIALS, SPECIALS**2)
    a, weights, sums = (column[chosen] for column in triples)
    assert not absent_classes(a, weights)
    await play_triples(b, a, weights, sums)


@cocotb.test()
async def largest_numbers(dut):
    """Just below the overflow, as chain words with a pending increment: all of the fraction's ones but one, each often.

    Zeros are added, so the word's own exponent and increment decide alone; and to an infinity the negative of nearly as
    much, beside which it stays one.
    """
    b = Bench(dut)
    await b.start()
    missing = np.uint32(1) << np.arange(FP32.fraction_bits, dtype=np.uint32)
    words = np.repeat(np.concatenate([[0], missing]).astype(np.uint32), 8)
    # a number is the word's fraction and the increment; one word in two has it
    sums = (np.uint32(LARGEST) - words + 1).astype(np.uint32)
    beside = 16
    a = np.repeat(np.array([0, BF16_HALF], np.uint16), (len(sums), beside))
    weights = np.where(a == 0, 0, BF16_MINUS_ONE).astype(np.uint16)
    await play_triples(b, a, weights, np.append(sums, np.full(beside, LARGEST + 1, np.uint32)))


@cocotb.test()
async def latency(dut):
    """One x between inactive ones: its sum appears 1 + S + L cycles later, with the chain word of 1 + S later."""
    b = Bench(dut)
    await b.start()
    stages = b.tensor
    one, two, three = np.array([0x3F80, 0x4000, 0x4040], np.uint16)
    moving, weight = int(b.operands(three, stationary=False)), int(b.operands(two, stationary=True))
    other = int(b.operands(one, stationary=True))
    idle = PeInputs(x=0, active=False, swap=False, w=0, load=False, p=0)
    await b.step(PeInputs(x=0, active=False, swap=False, w=weight, load=True, p=0))
    for _ in range(8):
        await b.step(idle)
    # chain word 1, 2, 4, ... in successive cycles: the sum tells which one was taken
    shown = []
    for i in range(1 + stages.mul_stages + stages.add_stages + 1):
        shown.append(
            await b.step(PeInputs(x=moving, active=i == 0, swap=i == 0, w=other, load=False, p=0x3F800000 + (i << 23)))
        )
    taken = np.uint32(0x3F800000 + ((1 + stages.mul_stages) << 23))
    want = int(fma_chain_step(three, two, taken, subnormals=stages.subnormals))
    assert shown[1 + stages.mul_stages + stages.add_stages] == want
    assert want not in shown[: 1 + stages.mul_stages + stages.add_stages]
