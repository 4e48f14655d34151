"""Stochastic rounding through the whole core: golden's bits and the predicted cycles on the RTL, seeds, refusals."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from makalu.sim_models.golden.formats import narrow, widen
from makalu.sim_models.golden.random_bits import Generators
from makalu.spec.encoding import Instruction
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, E5M2, FORMATS, FP16, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.random_bits import Rounding, spread
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import ProgramError
from makalu.sw.compile.program_file import load_program, save_program
from makalu.sw.compile.rounding import can_round, stochastic
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from makalu.sw.run import run_golden
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.timed import Case, check, memory_of
from verif.lib.lane_programs import corner_values
from verif.lib.variants import bench_config

SMALL = "eight-background"
ROWS, N = 4, 60
INT8 = FORMATS["int8"]


def stored(tile, name):
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm, name=name)
    nisa.dma_copy(out, tile)
    return out


def casts(x):
    """Copies to two types on Vector, one of part of the partitions between them; a function on Scalar; a constant."""
    tile = nl.load(x)
    half, mixed, small, whole, constant = (
        nl.ndarray(x.shape, form, name=name)
        for name, form in (("half", FP16), ("mixed", BF16), ("small", E5M2), ("whole", FP32), ("constant", BF16))
    )
    nisa.tensor_copy(half, tile)
    nisa.tensor_copy(mixed[1:3], tile[1:3])
    nisa.tensor_copy(mixed[0:1], tile[0:1])
    nisa.tensor_copy(mixed[3:4], tile[3:4])
    nisa.tensor_scalar(whole, tile, nl.add, 1.0)
    nisa.activation(small, op=nl.relu, data=tile, scale=0.75)
    nisa.memset(constant, 0.1)
    tiles = (half, mixed, small, whole, constant)
    return tuple(stored(each, f"out_{each.storage.name}") for each in tiles)


def numbers(seed=1):
    bits = corner_values(np.random.default_rng(seed), (ROWS, N))
    return {"x": Bits(np.where((bits & 0x7FFFFFFF) > FP32.infinity, np.uint32(0x3F812345), bits))}


@functools.cache
def compiled(preset=SMALL):
    return compile_kernel(casts, bench_config(preset), x=TensorSpec((ROWS, N), FP32))


def run(seed, preset=SMALL):
    program = stochastic(compiled(preset), bench_config(preset), seed=seed)
    return run_golden(program, numbers(), config=bench_config(preset))


def element_bits(form, values):
    return narrow(form, np.asarray(values, np.float32).view(np.uint32))


def test_elements_take_their_lanes_bits_in_order():
    """By the generators themselves: whoever is before it in its queue decides what an element draws."""
    got, x = run(5), numbers()["x"].array
    vector, scalar = (Generators(engine, ROWS) for engine in ("vector", "scalar"))
    for generators in (vector, scalar):
        generators.start(spread(5))
    rows = slice(0, ROWS)
    want = {"half": narrow(FP16, x, vector.draw(rows, N)), "mixed": np.zeros_like(x, np.uint16)}
    for part in (slice(1, 3), slice(0, 1), slice(3, 4)):
        want["mixed"][part] = narrow(BF16, x[part], vector.draw(part, N))
    with np.errstate(all="ignore"):
        scaled = np.maximum(x.view(np.float32) * np.float32(0.75) + np.float32(0), 0)
    want["small"] = narrow(E5M2, (scaled + np.float32(0)).view(np.uint32), scalar.draw(rows, N))
    for name, form in (("half", FP16), ("mixed", BF16), ("small", E5M2)):
        assert np.array_equal(element_bits(form, got[f"out_{name}"]), want[name]), name
    plain = run_golden(compiled(), numbers(), config=bench_config(SMALL))
    for name in ("out_whole", "out_constant"):  # the language's numbers are those of the tile's type already
        assert np.array_equal(got[name], plain[name], equal_nan=True)
    assert all((got[f"out_{name}"] != plain[f"out_{name}"]).any() for name in ("half", "mixed", "small"))


def sums(w, x):
    """The product alone in fp32; in bf16, added to twice; into the same elements again."""
    tiles = [nl.load(source) for source in (w, x)]
    shape, outs = (w.shape[1], x.shape[1]), []
    alone = nl.ndarray(shape, FP32, buffer=nl.psum, name="alone")
    nisa.nc_matmul(alone, *tiles)
    added = nl.ndarray(shape, BF16, buffer=nl.psum, name="added")
    for _ in range(3):
        nisa.nc_matmul(added, *tiles)
    for tile in (alone, added):
        copy = nl.ndarray(shape, tile.dtype, name="copy")
        nisa.tensor_copy(copy, tile)
        outs.append(stored(copy, f"out_{tile.storage.name}"))
    return tuple(outs)


@functools.cache
def of_sums():
    random = np.random.default_rng(4)
    inputs = {name: Bits(element_bits(BF16, random.normal(size=(ROWS, n)))) for name, n in (("w", 3), ("x", 50))}
    specs = {name: TensorSpec(bits.array.shape, BF16) for name, bits in inputs.items()}
    program = compile_kernel(sums, bench_config(SMALL), **specs)
    of_matmuls = {"which": lambda instruction: instruction.opcode is Opcode.MATMUL}
    return stochastic(program, bench_config(SMALL), seed=8, **of_matmuls), inputs


def test_sums_take_their_columns_bits_in_order():
    program, inputs = of_sums()
    got = run_golden(program, inputs, config=bench_config(SMALL))
    product, generators = got["out_alone"], Generators("psum", ROWS)
    generators.start(spread(8))
    total = np.zeros_like(product)
    for _ in range(3):
        drawn = generators.draw(slice(0, len(product)), product.shape[1])
        total = widen(BF16, narrow(BF16, (product + total).view(np.uint32), drawn)).view(np.float32)
    assert np.array_equal(got["out_added"], total)
    assert sum(i["rounding"] for stream in program.executed().values() for i in stream) == 3


@pytest.mark.slow
def test_sums_on_the_rtl():
    program, inputs = of_sums()
    check(Case(SMALL, program, inputs), memory_of(SMALL, 20))


def test_a_seed_repeats_and_another_one_differs():
    one, same, other = run(5), run(5), run(6)
    assert all(np.array_equal(one[name], same[name], equal_nan=True) for name in one)
    assert all((one[f"out_{name}"] != other[f"out_{name}"]).any() for name in ("half", "mixed", "small"))


def test_the_order_of_queues_changes_nothing():
    """Golden in random legal orders: an engine's bits do not depend on the other's."""
    program = stochastic(compiled(), bench_config(SMALL), seed=5)
    want = run(5)
    for seed in range(5):
        got = run_golden(program, numbers(), config=bench_config(SMALL), seed=seed)
        assert all(np.array_equal(got[name], want[name], equal_nan=True) for name in want)


def test_what_can_round_is_rounded_and_nothing_else(tmp_path):
    program = stochastic(compiled(), bench_config(SMALL), seed=7)
    every = [i for stream in program.executed().values() for i in stream]
    assert {i["rounding"] for i in every if can_round(i)} == {int(Rounding.STOCHASTIC)}
    assert not any(i["rounding"] for i in every if not can_round(i))
    assert program.random_seed == spread(7) and compiled().random_seed == 0
    save_program(program, tmp_path / "p.makalu")
    assert load_program(tmp_path / "p.makalu") == program


@pytest.mark.parametrize("preset", ["tiny"])
def test_a_core_without_it_refuses(preset):
    program = compiled(preset)
    with pytest.raises(ProgramError, match=f"preset {preset} has no stochastic rounding"):
        stochastic(program, bench_config(preset))
    with pytest.raises(ProgramError, match=f"compiled for preset {preset}, not for {SMALL}"):
        stochastic(program, bench_config(SMALL))


@pytest.mark.slow
def test_on_the_rtl():
    """Bits and cycles; a second start with the same seed begins the bits anew."""
    program = stochastic(compiled(), bench_config(SMALL), seed=9)
    check(Case(SMALL, program, numbers(2)), memory_of(SMALL, 20))
    nearest = compiled()
    assert program.instructions == nearest.instructions


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_programs_on_the_rtl(seed):
    made = random_program(bench_config(SMALL), seed=seed, instructions=120, elements=24)
    rounded = [i for stream in made.program.executed().values() for i in stream if i["rounding"]]
    assert rounded
    check(Case(SMALL, replace(made.program, random_seed=spread(seed)), made.inputs), memory_of(SMALL, 10))


@pytest.mark.slow
def test_a_start_begins_the_bits_anew():
    """The program twice on one core, the second time over its own results."""
    config = bench_config(SMALL)
    program, inputs = stochastic(compiled(), config, seed=3), numbers(3)
    machine = settling_machine()
    result = machine.run(
        program.image(inputs),
        program.addresses,
        max_cycles=200_000,
        memory=memory_of(SMALL, 5),
        random=program.random_seed,
        before=[program.addresses],
    )
    want = run_golden(program, inputs, config=config)
    got = program.read(result.memory)
    result.discard()
    assert all(np.array_equal(got[name], want[name], equal_nan=True) for name in want)


def settling_machine():
    return quick_machine(SMALL, SettlingMachine)


def spoilt(config, opcode, **values):
    """The program with the last instruction of an opcode changed."""
    program = compile_kernel(casts, config, x=TensorSpec((ROWS, N), FP32))
    image, addresses = program.image(numbers()), program.addresses
    queue = Queue.SCALAR if opcode is Opcode.ACTIVATION else Queue.VECTOR
    number = [n for n, i in enumerate(program.executed()[queue]) if i.opcode == opcode][-1]
    at = addresses[queue] + number * INSTRUCTION_BYTES
    word = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(word, np.uint8)
    return Spoilt(image, addresses, queue, number, config)


WRONG = {
    "to fp32": (Opcode.TENSOR_SCALAR, {"rounding": 1}, ErrorCode.OPERAND),
    "to an integer": (Opcode.MEMSET, {"rounding": 1, "dst_dtype": FORMATS["int16"].code}, ErrorCode.OPERAND),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    opcode, values, code = WRONG[what]
    check_refused(spoilt(bench_config(SMALL), opcode, **values), code, settling_machine())


@pytest.mark.slow
def test_a_core_without_it_reserves_the_bit():
    machine = quick_machine("tiny", SettlingMachine)
    check_refused(spoilt(bench_config("tiny"), Opcode.MEMSET, rounding=1), ErrorCode.RESERVED, machine)


def test_names_of_what_rounds():
    assert can_round(Instruction(Opcode.MEMSET, {"dst_dtype": BF16.code}))
    assert not can_round(Instruction(Opcode.MEMSET, {"dst_dtype": INT8.code}))
    assert not can_round(Instruction(Opcode.DMA_LOAD, {"dst_dtype": BF16.code}))
