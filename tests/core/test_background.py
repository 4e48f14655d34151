"""Transposes beside matmuls: every bit on golden, bits and cycles on the RTL, what they cost, and what is refused."""

import functools
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from makalu.sim_models.golden.check import QueueCheck
from makalu.spec.encoding import encode
from makalu.spec.engines import Channel
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, INSTRUCTIONS, LOADS, Opcode, Queue
from makalu.spec.preset import PRESETS, load_preset
from makalu.spec.tensor_types import Part
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden_machine
from makalu.sw.timing import predict
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.test_transposes import any_bits, turned
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.programs import load, matmul, transpose

FOUR, EIGHT = "background", "eight-background"
TRANSPOSE = Opcode.TRANSPOSE
MATMULS = (Opcode.MATMUL, TRANSPOSE)
ROWS, COLUMNS = 4, 3


def every_type(**sources):
    """A transpose of each, a matmul behind each of them, so that some stand alone and some follow another."""
    outs, tile = [], None
    for n, (name, source) in enumerate(sources.items()):
        outs.append(turned(source.dtype, source))
        if name == BF16.name:
            tile = nl.load(source)
        if n % 2:
            sums = nl.ndarray((COLUMNS, COLUMNS), FP32, buffer=nl.psum, name="product")
            nisa.nc_matmul(sums, tile, tile)
            outs.append(nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name=f"product{n}"))
            nl.store(outs[-1], sums)
    return tuple(outs)


def compiled(preset, seed):
    config = bench_config(preset)
    forms = config.tensor.singles
    inputs = {form.name: any_bits(form, (ROWS, COLUMNS), seed) for form in forms}
    specs = {form.name: TensorSpec((ROWS, COLUMNS), form) for form in forms}
    return compile_kernel(every_type, config, **specs), inputs


def tensor_stream(program):
    return list(program.executed()[Queue.TENSOR])


@pytest.mark.parametrize("preset", [FOUR, EIGHT, "trn3"])
@pytest.mark.parametrize("seed", range(3))
def test_every_bit_arrives(preset, seed):
    program, inputs = compiled(preset, seed)
    memory = run_golden_machine(program, {n: Bits(b) for n, b in inputs.items()}, config=bench_config(preset)).memory
    got = program.output_bits(memory)
    for name, bits in inputs.items():
        assert (got[f"out_{name}"] == bits.T).all(), name
    opcodes = [i.opcode for i in tensor_stream(program)]
    assert opcodes.count(TRANSPOSE) > 3 and (TRANSPOSE, TRANSPOSE) not in pairwise(opcodes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_on_the_rtl(seed):
    program, inputs = compiled(EIGHT, seed)
    check(Case(EIGHT, program, {name: Bits(bits) for name, bits in inputs.items()}), memory_of("tiny", 20))


def test_only_trn3_has_it():
    """What the documents have from this generation on; where it is not, a transpose is what it was."""
    have = {name for name in PRESETS if INSTRUCTIONS[TRANSPOSE].there(load_preset(name))}
    assert have == {"trn3"}
    program, _ = compiled("trn2", 0)
    assert not any(i.opcode == TRANSPOSE for i in tensor_stream(program))


def chain(count):
    """So many transposes of whole tiles, one behind the other, into the banks in turn."""

    def kernel(x):
        tile = nl.load(x)
        for n in range(count):
            sums = nl.ndarray((128, 128), BF16, buffer=nl.psum, name=f"sums{n % 8}")
            nisa.nc_transpose(sums, tile)
        kept = nl.ndarray((128, 128), BF16, name="kept")
        nisa.tensor_copy(kept, sums)
        out = nl.ndarray((128, 128), BF16, buffer=nl.shared_hbm, name="out")
        nisa.dma_copy(out, kept)
        return out

    return kernel


def cycles_each(config, count=32):
    """Of a transpose in the middle of a chain, on the timing model, which is the RTL's to the cycle."""
    program = compile_kernel(chain(count), config, TensorSpec((128, 128), BF16))
    ends = [event.cycle for event in predict(program, config).finishes if event.where is Channel.MATMUL]
    assert len(ends) == count
    return (ends[-5] - ends[7]) / (count - 12)


def test_a_chain_takes_about_half():
    """Every other one is beside the one before it. Alone each takes its K columns."""
    trn3 = load_preset("trn3")
    without = replace(trn3, tensor=replace(trn3.tensor, background_bits=0))
    alone, beside = cycles_each(without), cycles_each(trn3)
    assert alone == 128
    assert beside == 68  # CHANGELOG and decision 0029 say so


def test_beside_a_long_matmul_it_costs_nothing():
    """A matmul of 512 columns and a transpose of a whole tile, in turn: as long as the matmuls alone."""
    ends = {}
    for turns in (False, True):

        def kernel(x, y, turns=turns):
            tile, moving = nl.load(x), nl.load(y)
            for n in range(12):
                sums = nl.ndarray((128, 512), FP32, buffer=nl.psum, name=f"sums{n}")
                nisa.nc_matmul(sums, tile, moving)
                if turns:
                    nisa.nc_transpose(nl.ndarray((128, 128), BF16, buffer=nl.psum, name=f"turned{n}"), tile)
            out = nl.ndarray((128, 512), FP32, buffer=nl.shared_hbm, name="out")
            nl.store(out, sums)
            return out

        config = load_preset("trn3")
        program = compile_kernel(kernel, config, TensorSpec((128, 128), BF16), TensorSpec((128, 512), BF16))
        stream = tensor_stream(program)
        finishes = [e for e in predict(program, config).finishes if e.where is Channel.MATMUL]
        sums = [
            e.cycle
            for e, i in zip(finishes, (i for i in stream if i.opcode in MATMULS), strict=True)
            if i.opcode == Opcode.MATMUL
        ]
        ends[turns] = np.diff(sums)[3:-1]
    assert (ends[False] == 512).all() and (ends[True] == 512).all(), ends


def legal(config, instructions):
    check = QueueCheck(Queue.TENSOR, config)
    return [check(encode(each)) for each in instructions]


TILE = {"offset": 0, "columns": 4, "start": 0, "count": 4}
FLAT = {"sizes": (4, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
LOAD = load(**TILE, part=Part.UPPER)
MATMUL = matmul(moving=0, dst=0, start=0, count=4, columns=4, **FLAT)
TURN = transpose(dst=0, stride=1, **TILE)


@pytest.mark.parametrize(
    ("before", "values", "code", "text"),
    [
        ([], {}, ErrorCode.NONE, ""),
        ([LOAD, MATMUL], {}, ErrorCode.NONE, ""),
        ([LOAD, MATMUL, TURN], {"part": int(Part.UPPER_BITS)}, ErrorCode.NONE, ""),
        ([LOAD], {}, ErrorCode.OPERAND, "the last load waits for its matmul"),
        ([LOAD, MATMUL, LOAD], {}, ErrorCode.OPERAND, "the last load waits"),
        ([], {"part": int(Part.UPPER)}, ErrorCode.OPERAND, r"part must be one of \['BITS \(3\)', 'UPPER_BITS \(4\)'\]"),
        ([], {"dst_size0": 3}, ErrorCode.SIZE, "size0 must be the 4 partitions"),
        ([], {"dst_size1": 2}, ErrorCode.SIZE, "size0 must be the 4 partitions"),
        ([], {"src0_size0": 2}, ErrorCode.SIZE, "size0 must be the 4 columns"),
        ([], {"dst_dtype": FP32.code}, ErrorCode.OPERAND, "dst_dtype must be one of"),
        ([], {"src0_offset": 2}, ErrorCode.ALIGNMENT, "multiple of 8"),
        ([], {"src0_stride0": 2}, ErrorCode.ALIGNMENT, "stride0 must be 1"),
        ([], {"dst_partition": 1}, ErrorCode.PARTITION, "dst ends at partition"),
        ([], {"dst_offset": 250}, ErrorCode.PSUM_ADDRESS, "more than one bank"),
    ],
)
def test_what_is_legal(before, values, code, text):
    *_, (got, why) = legal(bench_config(FOUR), [*before, type(TURN)(TRANSPOSE, {**TURN.values, **values})])
    assert got == code, why
    assert re.search(text, why)


@functools.cache
def spoiled():
    program, inputs = compiled(EIGHT, 3)
    return program, {name: Bits(bits) for name, bits in inputs.items()}


def machine():
    return quick_machine(EIGHT, SettlingMachine)


WRONG = {
    "a part that carries no bits": ({"part": int(Part.UPPER)}, ErrorCode.OPERAND),
    "fewer destinations than partitions": ({"dst_size0": ROWS - 1}, ErrorCode.SIZE),
    "more elements than columns": ({"src0_size0": COLUMNS + 1}, ErrorCode.SIZE),
    "elements that are apart": ({"src0_stride0": 2}, ErrorCode.ALIGNMENT),
    "sums": ({"dst_dtype": FP32.code}, ErrorCode.OPERAND),
    "a destination in two banks": ({"dst_offset": bench_config(EIGHT).psum.bank_bytes - 2}, ErrorCode.PSUM_ADDRESS),
}


def refused(number, values, code):
    program, inputs = spoiled()
    image, addresses = program.image(inputs), program.addresses
    at = addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    check_refused(Spoilt(image, addresses, Queue.TENSOR, number, bench_config(EIGHT)), code, machine())


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    stream = tensor_stream(spoiled()[0])
    refused([n for n, i in enumerate(stream) if i.opcode == TRANSPOSE][-1], *WRONG[what])


@pytest.mark.slow
def test_the_hardware_refuses_to_lose_a_tile():
    """A matmul that is made a transpose stands behind its load."""
    stream = tensor_stream(spoiled()[0])
    number = [n for n, (one, other) in enumerate(pairwise(stream)) if one.opcode in LOADS][-1] + 1
    values = dict.fromkeys(stream[number].values, 0) | TURN.values | {"opcode": int(TRANSPOSE)}
    refused(number, values, ErrorCode.OPERAND)
