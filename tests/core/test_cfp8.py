"""cFP8 through the whole core: golden's bits and the predicted cycles on the RTL; what the hardware refuses."""

import functools

import numpy as np
import pytest

from makalu.sim_models.golden.check import check as verdict
from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.encoding import Instruction
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, E4M3, E5M2, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import Part
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.elements import random_elements

SMALL = "eight-background"
"""A core that has it, which other tests of this folder build too."""
K, M, N = 4, 3, 21
LOAD, MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
ENDS = (-OFFSETS, 0, OFFSETS - 1)


def product(w, x, offsets):
    tiles = []
    for source in (w, x):
        tiles.append(nl.ndarray(source.shape, source.dtype, name="tile"))
        nisa.dma_copy(tiles[-1], source)
    sums = nl.ndarray((w.shape[1], x.shape[1]), FP32, buffer=nl.psum, name="sums")
    nisa.nc_matmul(sums, *tiles, exponent_offset=offsets)
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name=f"out_{w.dtype.name}_{x.dtype.name}")
    nl.store(out, sums)
    return out


def every_pair(**sources):
    """Of types and ends, each with another pair of offsets; the last of e5m2, which double row has too."""
    pairs = [(a.name, b.name) for a in OFFSETTABLE[::-1] for b in OFFSETTABLE[::-1]]
    offsets = [(one, other) for one in ENDS for other in ENDS]
    return tuple(
        product(sources[f"w_{a}"], sources[f"x_{b}"], pair) for (a, b), pair in zip(pairs, offsets, strict=True)
    )


@functools.cache
def program_of():
    rng = np.random.default_rng(5)
    inputs = {
        f"{side}_{form.name}": random_elements(rng, form, shape, specials=0.1)
        for side, shape in (("w", (K, M)), ("x", (K, N)))
        for form in OFFSETTABLE
    }
    forms = {form.name: form for form in OFFSETTABLE}
    specs = {name: TensorSpec(bits.shape, forms[name.split("_")[1]]) for name, bits in inputs.items()}
    return compile_kernel(every_pair, bench_config(SMALL), **specs), {n: Bits(bits) for n, bits in inputs.items()}


@pytest.mark.slow
def test_every_pair_on_the_rtl():
    check(Case(SMALL, *program_of()), memory_of(SMALL, 20))


def last_of(opcode):
    program, _ = program_of()
    steps = [*program.executed()[Queue.TENSOR]]
    number = [n for n, i in enumerate(steps) if i.opcode == opcode][-1]
    return number, steps[number]


WRONG = {
    "a weight of bf16": (LOAD, {"src0_dtype": BF16.code}, r"src0_dtype must be one of .* with exponent_offset"),
    "a weight in double row": (LOAD, {"mode": Mode.DOUBLE_ROW}, "exponent_offset must be 0 in double_row, not"),
    "a finite weight": (LOAD, {"part": Part.FINITE}, "part must be 0 with exponent_offset"),
    "carried bits": (MATMUL, {"part": Part.BITS}, "part must be 0 with exponent_offset"),
}


@pytest.mark.parametrize("what", WRONG)
def test_golden_refuses(what):
    opcode, values, text = WRONG[what]
    _, legal = last_of(opcode)
    assert legal["exponent_offset"] and verdict(legal, Queue.TENSOR, bench_config(SMALL))[0] is ErrorCode.NONE
    changed = Instruction(opcode, {**legal.values, **{name: int(value) for name, value in values.items()}})
    code, said = verdict(changed, Queue.TENSOR, bench_config(SMALL))
    assert code is ErrorCode.OPERAND
    with pytest.raises(ValueError, match=text):
        raise ValueError(said)


def test_a_core_without_it_reserves_the_field():
    _, legal = last_of(MATMUL)
    code, said = verdict(legal, Queue.TENSOR, load_preset("tiny"))
    assert code is ErrorCode.RESERVED and "exponent_offset must be 0 on preset tiny, which has no cfp8, not 31" in said


def settling_machine():
    return quick_machine(SMALL, SettlingMachine)


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    """And writes nothing, as golden says of the whole memory."""
    opcode, values, _ = WRONG[what]
    (program, inputs), (number, _) = program_of(), last_of(opcode)
    image, addresses = program.image(inputs), program.addresses
    at = addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    word = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(word, np.uint8)
    spoilt = Spoilt(image, addresses, Queue.TENSOR, number, bench_config(SMALL))
    check_refused(spoilt, ErrorCode.OPERAND, settling_machine())


def test_the_program_reaches_both_ends_on_both_sides():
    steps = [i for i in program_of()[0].executed()[Queue.TENSOR] if i.opcode in (LOAD, MATMUL)]
    for opcode in (LOAD, MATMUL):
        assert {i["exponent_offset"] for i in steps if i.opcode is opcode} == {*ENDS}
    assert {E5M2.code, E4M3.code} < {i["src0_dtype"] for i in steps}
