"""Sparse matmuls on the RTL: golden's bits, cycles as the timing model has them, and what the hardware refuses."""

import functools

import numpy as np
import pytest

from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.tensor_modes import Mode
from makalu.sw.elements import Bits
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.test_sparse import compiled, every_pair, inputs_of, product, there
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config

SMALL = "eight-background"
K, M = 8, 8


def given(inputs):
    return {name: Bits(bits) for name, bits in inputs.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "specials"), [(1, 0.0), (2, 0.1), (3, 0.0), (4, 0.1)])
def test_every_pair_on_the_rtl(ratio, specials):
    config = bench_config(SMALL)
    inputs, _ = inputs_of(config, np.random.default_rng(ratio), K, ratio, specials, M)
    program = compiled(every_pair(there(config)), inputs, config)
    check(Case(SMALL, program, given(inputs)), memory_of("tiny", 20))


def two_products(**sources):
    first = product(sources["w_bf16"], sources["tags"], sources["x_e5m2"], name="first")
    return first, product(sources["w_e5m2"], sources["tags_2"], sources["x_bf16"], name="second")


@functools.cache
def spoilt_base(wrong=None):
    """Two products of ratio 2; `wrong`: a tag of the second one, in row 5 and column 7."""
    config, rng = bench_config(SMALL), np.random.default_rng(5)
    inputs, _ = inputs_of(config, rng, K, 2, 0.0, M)
    second = inputs["tags"].copy()
    if wrong is not None:
        second[5, 1] = second[5, 1] & 0x0FFF | wrong << 12
    few = {name: bits for name, bits in inputs.items() if "bf16" in name or "e5m2" in name or name == "tags"}
    few["tags_2"] = second
    program = compiled(two_products, few, config)
    return program, program.image(given(few))


def last(program, opcode):
    stream = program.executed()[Queue.TENSOR]
    return [n for n, i in enumerate(stream) if i.opcode == opcode][-1]


def machine():
    return quick_machine(SMALL, SettlingMachine)


@pytest.mark.slow
@pytest.mark.parametrize("tag", [0b0010, 0b1111, 0b0111])
def test_a_tag_out_of_range_stops_the_queue(tag):
    """Code, address and interrupt; the first product is written, the second is not."""
    program, image = spoilt_base(tag)
    number = last(program, Opcode.LOAD_SPARSE)
    where = Spoilt(image.copy(), program.addresses, Queue.TENSOR, number, bench_config(SMALL))
    # its matmul is on its way when the tag is found
    check_refused(where, ErrorCode.TAG, machine(), issued=number + 2)


WRONG = {
    "half a group": (Opcode.MATMUL, {"partitions": 2}, ErrorCode.PARTITION),
    "half a group of weights": (Opcode.LOAD_SPARSE, {"partitions": 6}, ErrorCode.PARTITION),
    "tags of other partitions": (Opcode.LOAD_SPARSE, {"src1_partition": 4, "partitions": 4}, ErrorCode.PARTITION),
    "no ratio": (Opcode.LOAD_SPARSE, {"ratio": 0}, ErrorCode.SIZE),
    "ratio beyond a row's candidates": (Opcode.LOAD_SPARSE, {"ratio": 5}, ErrorCode.SIZE),
    "another ratio than its load's": (Opcode.MATMUL, {"src0_size3": 1}, ErrorCode.OPERAND),
    "five elements a partition": (Opcode.MATMUL, {"src0_size3": 5}, ErrorCode.OPERAND),  # and of another ratio
    "another mode than its load's": (Opcode.MATMUL, {"mode": 0, "src0_size3": 1}, ErrorCode.OPERAND),
    "a dense load of its mode": (
        Opcode.LOAD_SPARSE,
        {"opcode": Opcode.LOAD_STATIONARY, "mode": Mode.SPARSE, "ratio": 0}
        | {f"src1_{name}": 0 for name in ("space", "dtype", "partition", "offset", "stride0")}
        | {f"src1_size{d}": 0 for d in range(4)},
        ErrorCode.OPERAND,
    ),
    "words of 4 bytes": (Opcode.MATMUL, {"src0_dtype": FORMATS["fp32"].code}, ErrorCode.OPERAND),
    "tags of another type": (Opcode.LOAD_SPARSE, {"src1_dtype": FORMATS["int16"].code}, ErrorCode.OPERAND),
    "too few tags": (Opcode.LOAD_SPARSE, {"src1_size0": 1}, ErrorCode.SIZE),
    "tags that begin inside a word": (Opcode.LOAD_SPARSE, {"src1_offset": 2}, ErrorCode.ALIGNMENT),
    "rows that begin inside a word": (Opcode.MATMUL, {"src0_stride3": 9}, ErrorCode.ALIGNMENT),
    "tags behind the memory": (Opcode.LOAD_SPARSE, {"src1_offset": 0x3FFF0}, ErrorCode.SBUF_ADDRESS),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    opcode, values, code = WRONG[what]
    program, base = spoilt_base()
    image, addresses = base.copy(), program.addresses
    number = last(program, opcode)
    at = addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    check_refused(Spoilt(image, addresses, Queue.TENSOR, number, bench_config(SMALL)), code, machine())
