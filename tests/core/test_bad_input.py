"""Bad input stops one queue and says who, where and why; it harms nobody else and writes nothing wrong."""

import ast
import functools
from pathlib import Path

import numpy as np
import pytest

from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, CARRIED, FP32
from makalu.spec.isa import (
    AP_DIMS,
    FIELDS,
    INSTRUCTION_BYTES,
    INSTRUCTIONS,
    QUEUES,
    AluOp,
    Function,
    Opcode,
    Queue,
    Space,
)
from makalu.spec.registers import QueueState
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import Part
from tests.core.bad_input import CONFIG, OUTSIDE, SettlingMachine, Spoilt, check, spoil_first, with_fields

UNKNOWN_OPCODE = 0x7F
RESERVED_BIT = 1000
UNKNOWN_DTYPE = 0x1F
RESULTS = 0x4000
NEVER = 0x3FFF
"""A value that no semaphore of these programs comes near."""


@functools.cache
def machine():
    return SettlingMachine(config=CONFIG, observe="all")


def spoilt(queue, wanted=lambda i: True, seed=None, **values):
    return spoil_first(queue, wanted, lambda data: with_fields(data, **values), seed=seed)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name.lower())
def test_unknown_opcode(queue):
    check(spoilt(queue, opcode=UNKNOWN_OPCODE), ErrorCode.OPCODE, machine())


FOREIGN = {Queue.VECTOR: Opcode.ACTIVATION, Queue.SYNC: Opcode.DMA_STORE, Queue.GPSIMD: Opcode.DMA_LOAD}


@pytest.mark.parametrize("queue", FOREIGN, ids=lambda queue: queue.name.lower())
def test_opcode_of_another_queue(queue):
    check(spoilt(queue, opcode=FOREIGN[queue]), ErrorCode.OPCODE, machine())


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name.lower())
def test_reserved_bit(queue):
    check(spoilt(queue, **{f"bit{RESERVED_BIT}": 1}), ErrorCode.RESERVED, machine())


def is_(*opcodes):
    return lambda instruction: instruction.opcode in opcodes


def reads_psum(instruction):
    return instruction["src0_space"] == Space.PSUM


def adds(instruction):
    return instruction.opcode == Opcode.MATMUL and instruction["accumulate"] == 1


def multiplies_bf16(instruction):
    return instruction.opcode == Opcode.MATMUL and instruction["src0_dtype"] == BF16.code


def has_scalar_operand(instruction):
    return instruction["operand0_tensor"] == 1


def leaves_a_partition(instruction):
    return instruction.opcode == Opcode.TENSOR_COPY and instruction["partitions"] < CONFIG.partitions


WRONG_OPERANDS = {
    "space-none": (Queue.SYNC, is_(Opcode.DMA_LOAD), {"dst_space": Space.NONE}),
    "space-of-a-store": (Queue.GPSIMD, is_(Opcode.DMA_STORE), {"src0_space": Space.PSUM}),
    "space-of-a-result": (Queue.SCALAR, is_(Opcode.ACTIVATION), {"dst_space": Space.PSUM}),
    "type": (Queue.TENSOR, is_(Opcode.MATMUL), {"src0_dtype": UNKNOWN_DTYPE}),
    "types-that-may-not-meet": (Queue.TENSOR, multiplies_bf16, {"src0_dtype": FP32.code, "src0_offset": 0}),
    "part": (Queue.TENSOR, is_(Opcode.LOAD_STATIONARY), {"part": max(Part) + 1}),
    "type-of-a-sum": (Queue.TENSOR, is_(Opcode.MATMUL), {"dst_dtype": BF16.code}),
    "bits-that-are-added": (Queue.TENSOR, adds, {"dst_dtype": CARRIED.code}),
    "alu-op": (Queue.VECTOR, is_(Opcode.TENSOR_TENSOR), {"op0": max(AluOp) + 1}),
    "function": (Queue.SCALAR, is_(Opcode.ACTIVATION), {"function": min(Function) - 1}),
}


@pytest.mark.parametrize("kind", WRONG_OPERANDS)
def test_operand(kind):
    queue, wanted, values = WRONG_OPERANDS[kind]
    check(spoilt(queue, wanted, **values), ErrorCode.OPERAND, machine())


WRONG_SIZES = {
    "empty": (Queue.GPSIMD, is_(Opcode.DMA_STORE), {"src0_size2": 0}),
    "different": (Queue.VECTOR, is_(Opcode.TENSOR_COPY), {"src0_size3": 2}),
    "scalar-operand": (Queue.VECTOR, has_scalar_operand, {"src1_size0": 2}),
    "no-partition": (Queue.SYNC, is_(Opcode.DMA_LOAD), {"partitions": 0}),
    "partitions": (Queue.SCALAR, is_(Opcode.ACTIVATION), {"partitions": CONFIG.partitions + 1}),
    "columns": (Queue.TENSOR, is_(Opcode.MATMUL), {"columns": CONFIG.tensor.columns + 1}),
    "stationary-columns": (Queue.TENSOR, is_(Opcode.LOAD_STATIONARY), {"src0_size0": CONFIG.tensor.columns + 1}),
    "stationary-rows": (Queue.TENSOR, is_(Opcode.LOAD_STATIONARY), {"src0_size1": 2}),
}


@pytest.mark.parametrize("kind", WRONG_SIZES)
def test_size(kind):
    queue, wanted, values = WRONG_SIZES[kind]
    check(spoilt(queue, wanted, **values), ErrorCode.SIZE, machine())


WRONG_PARTITIONS = {
    "beyond": (Queue.SYNC, is_(Opcode.DMA_LOAD), {"dst_partition": CONFIG.partitions}),
    "matmul-destination": (Queue.TENSOR, is_(Opcode.MATMUL), {"dst_partition": 1}),
    "different": (Queue.VECTOR, leaves_a_partition, {"dst_partition": 0, "src0_partition": 1}),
}


@pytest.mark.parametrize("kind", WRONG_PARTITIONS)
def test_partition(kind):
    queue, wanted, values = WRONG_PARTITIONS[kind]
    check(spoilt(queue, wanted, **values), ErrorCode.PARTITION, machine())


WRONG_ALIGNMENTS = {
    "element": (Queue.SCALAR, is_(Opcode.ACTIVATION), {"dst_offset": 1}),
    "stationary-offset": (Queue.TENSOR, is_(Opcode.LOAD_STATIONARY), {"src0_offset": CONFIG.sbuf.word_bytes // 2}),
    "stationary-stride": (Queue.TENSOR, is_(Opcode.LOAD_STATIONARY), {"src0_stride0": 2}),
}


@pytest.mark.parametrize("kind", WRONG_ALIGNMENTS)
def test_alignment(kind):
    queue, wanted, values = WRONG_ALIGNMENTS[kind]
    check(spoilt(queue, wanted, **values), ErrorCode.ALIGNMENT, machine())


BEYOND_SBUF = CONFIG.sbuf.partition_bytes


@pytest.mark.parametrize(
    ("queue", "opcode", "slot"),
    [
        (Queue.TENSOR, Opcode.LOAD_STATIONARY, "src0"),
        (Queue.TENSOR, Opcode.MATMUL, "src0"),
        (Queue.VECTOR, Opcode.TENSOR_COPY, "dst"),
        (Queue.SCALAR, Opcode.ACTIVATION, "dst"),
        (Queue.SYNC, Opcode.DMA_LOAD, "dst"),
        (Queue.GPSIMD, Opcode.DMA_STORE, "src0"),
    ],
)
def test_sbuf_address(queue, opcode, slot):
    case = spoilt(queue, is_(opcode), **{f"{slot}_offset": BEYOND_SBUF})
    check(case, ErrorCode.SBUF_ADDRESS, machine())


@pytest.mark.parametrize(
    ("queue", "wanted", "slot", "seed"),
    [
        (Queue.TENSOR, is_(Opcode.MATMUL), "dst", 1),
        (Queue.VECTOR, reads_psum, "src0", 1),
        (Queue.SCALAR, reads_psum, "src0", 2),
    ],
)
def test_psum_address(queue, wanted, slot, seed):
    case = spoilt(queue, wanted, seed, **{f"{slot}_offset": CONFIG.psum.partition_bytes})
    check(case, ErrorCode.PSUM_ADDRESS, machine())


BEYOND_THE_BUS = 1 << CONFIG.bus.address_bits
WRONG_MEMORY = {
    "load": (Opcode.DMA_LOAD, {"address": BEYOND_THE_BUS}),
    "store": (Opcode.DMA_STORE, {"address": BEYOND_THE_BUS + RESULTS}),
    "store-bit-63": (Opcode.DMA_STORE, {"address": 1 << 63 | RESULTS}),
    "load-below-0": (Opcode.DMA_LOAD, {"memory_stride4": -(1 << 20) & 0xFFFF_FFFF, "partitions": 2}),
    "store-over-the-end": (Opcode.DMA_STORE, {"address": BEYOND_THE_BUS - 1}),
}


@pytest.mark.parametrize("kind", WRONG_MEMORY)
def test_memory_address(kind):
    """Nothing is written where the low bits of the address point: the whole memory is golden's."""
    opcode, values = WRONG_MEMORY[kind]
    (queue,) = INSTRUCTIONS[opcode].queues
    case = spoilt(queue, lambda i: i.opcode == opcode and i["partitions"] >= values.get("partitions", 1), **values)
    check(case, ErrorCode.MEMORY_ADDRESS, machine())


def still(*slots, memory=False):
    """Fields of operands that stand on one element 65,535^4 times: no address is wrong, and nobody lives to the end."""
    large = FIELDS["dst_size0"].high
    fields = {f"{slot}_size{d}": large for slot in slots for d in range(AP_DIMS)}
    fields |= {f"{slot}_stride{d}": 0 for slot in slots for d in range(AP_DIMS)}
    return fields | ({f"memory_stride{d}": 0 for d in range(AP_DIMS)} if memory else {})


ENDLESS = {
    "matmul": (Queue.TENSOR, Opcode.MATMUL, still("dst", "src0")),
    "copy": (Queue.VECTOR, Opcode.TENSOR_COPY, still("dst", "src0")),
    "activation": (Queue.SCALAR, Opcode.ACTIVATION, still("dst", "src0")),
    "load": (Queue.SYNC, Opcode.DMA_LOAD, still("dst", memory=True)),
    "store": (Queue.GPSIMD, Opcode.DMA_STORE, still("src0", memory=True)),
    "one-too-many": (
        Queue.SYNC,
        Opcode.DMA_LOAD,
        still("dst", memory=True)
        | {"dst_size0": 1, "dst_size1": CONFIG.sequencer.elements // 8 + 1, "dst_size2": 1, "dst_size3": 8},
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_instruction_that_would_not_end(kind):
    queue, opcode, values = ENDLESS[kind]
    check(spoilt(queue, is_(opcode), **values), ErrorCode.ELEMENTS, machine())


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name.lower())
def test_version_of_the_encoding(queue):
    """It goes before every other rule: the instruction's other fields mean something else there."""
    case = spoilt(queue, version=queue % FIELDS["version"].high + 1, bit700=1)
    check(case, ErrorCode.VERSION, machine())


def test_a_mode_that_the_array_lacks():
    check(spoilt(Queue.TENSOR, is_(Opcode.MATMUL), mode=int(Mode.MX)), ErrorCode.OPERAND, machine())


def test_semaphore_beyond_the_preset():
    kind = {"wait0_kind": 1, "wait0_semaphore": CONFIG.sequencer.semaphores}
    check(spoilt(Queue.SCALAR, **kind), ErrorCode.SEMAPHORE, machine())


@pytest.mark.parametrize(
    ("opcode", "code"), [(Opcode.DMA_LOAD, ErrorCode.BUS_READ), (Opcode.DMA_STORE, ErrorCode.BUS_WRITE)]
)
def test_bus_error_of_a_transfer(opcode, code):
    (queue,) = INSTRUCTIONS[opcode].queues
    case = spoilt(queue, is_(opcode), address=OUTSIDE)
    # it issued, and nothing after it
    check(case, code, machine(), issued=case.number + 1)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name.lower())
def test_bus_error_of_a_fetch(queue):
    """The stream runs off the end of the memory; what comes before the end is executed."""
    whole = spoilt(queue)
    start, size = whole.addresses[queue], whole.number * INSTRUCTION_BYTES
    image = np.concatenate([whole.image, whole.image[start : start + size]])
    case = Spoilt(image, {**whole.addresses, queue: whole.image.size}, queue, whole.number)
    check(case, ErrorCode.FETCH, machine())


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name.lower())
def test_watchdog(queue):
    """A semaphore that nobody signals: this queue and all that wait for it stop; the others halt."""
    case = spoilt(queue, wait0_kind=1, wait0_semaphore=0, wait0_value=NEVER)
    seen = check(case, ErrorCode.WATCHDOG, machine())
    assert all(row.state in (QueueState.ERROR, QueueState.HALTED) for row in seen.queues.values())


def test_misaligned_program():
    whole = spoilt(Queue.SCALAR)
    case = Spoilt(whole.image, {**whole.addresses, Queue.SCALAR: whole.addresses[Queue.SCALAR] + 4}, Queue.SCALAR, 0)
    check(case, ErrorCode.ALIGNMENT, machine())


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.NONE], ids=lambda c: c.name)
def test_every_code_has_a_test(code):
    """A test of this file names it, in its body or its parameters; of a tag out of range, which `tiny` does not have,
    one of the file beside it.
    """
    here = Path(__file__)
    tree = ast.parse((here.with_name("test_sparse_rtl.py") if code is ErrorCode.TAG else here).read_text())
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert any(f"ErrorCode.{code.name}" in map(ast.unparse, ast.walk(test)) for test in tests)
