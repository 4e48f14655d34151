"""The golden machine: order, semaphores, errors, and what it reports."""

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine, reached
from makalu.sim_models.golden.result import Deadlock, GoldenError, IllegalInstruction
from makalu.sim_models.golden.tensor import occurrence
from makalu.spec.encoding import Instruction
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import Opcode, Queue, Space

from .programs import DATA, TINY, assembled, legal, run

HALT = Instruction(Opcode.HALT)


def make(opcode, **values):
    return Instruction(opcode, {**legal(opcode), **values})


def wait(semaphore, value, slot=0):
    return {f"wait{slot}_kind": 1, f"wait{slot}_semaphore": semaphore, f"wait{slot}_value": value}


def signal(semaphore, slot=0):
    return {f"signal{slot}_kind": 1, f"signal{slot}_semaphore": semaphore}


def test_load_copy_store_moves_the_bytes():
    result = run(
        {
            Queue.SYNC: [make(Opcode.DMA_LOAD, **signal(1)), HALT],
            Queue.VECTOR: [make(Opcode.TENSOR_COPY, **wait(1, 1), **signal(2)), HALT],
            Queue.GPSIMD: [make(Opcode.DMA_STORE, src0_offset=64, address=DATA + 0x1000, **wait(2, 1)), HALT],
        }
    )
    assert (result.memory[DATA : DATA + 64] == result.memory[DATA + 0x1000 : DATA + 0x1040]).all()
    assert result.memory[DATA : DATA + 64].any()
    assert result.semaphores[1:3] == (1, 1)
    assert not result.blocked and not result.errors and not result.findings
    assert result.sbuf_written.sum() == 4 * 32


def test_deadlock_names_what_each_queue_waits_for():
    streams = {
        Queue.VECTOR: [make(Opcode.NOP, **wait(3, 1)), HALT],
        Queue.SCALAR: [make(Opcode.NOP, **wait(4, 2), **wait(0, 0, 1)), HALT],
        Queue.SYNC: [make(Opcode.NOP, **signal(4)), HALT],
    }
    with pytest.raises(Deadlock) as error:
        run(streams)
    assert "vector: at 0x2000 (nop wait0_kind=1" in str(error.value)
    assert "semaphore 3 is 0, needs 1" in str(error.value)
    assert "semaphore 4 is 1, needs 2" in str(error.value)
    assert "sync" not in str(error.value)
    assert set(run(streams, strict=False).blocked) == {Queue.VECTOR, Queue.SCALAR}


@pytest.mark.parametrize(
    ("semaphore", "value", "holds"),
    [(0, 0, True), (0, 1, False), (5, 5, True), (32767, 0, True), (32768, 0, False), (65536, 65535, True)]
    + [(65535, 0, False), (0x1_0000_0002, 2, True)],
)
def test_wait_compares_modulo(semaphore, value, holds):
    assert reached(semaphore, value) is holds


def test_illegal_instruction_stops_its_queue_only():
    streams = {
        Queue.VECTOR: [make(Opcode.NOP, **signal(1)), make(Opcode.TENSOR_COPY, partitions=5, tag=77), HALT],
        Queue.SCALAR: [make(Opcode.NOP, **wait(1, 1)), HALT],
    }
    with pytest.raises(IllegalInstruction, match="vector at 0x2080: SIZE: tensor_copy: partitions"):
        run(streams)
    result = run(streams, strict=False)
    error = result.errors[Queue.VECTOR]
    assert (error.code, error.address, error.tag) == (ErrorCode.SIZE, 0x2080, 77)
    assert not result.blocked and Queue.SCALAR not in result.errors


def test_bus_error_stops_the_queue_of_its_direction():
    load = [make(Opcode.DMA_LOAD, address=0x10000 - 63, tag=5), HALT]
    store = [make(Opcode.DMA_STORE, address=0x10000 - 63, tag=6), HALT]
    result = run({Queue.SYNC: load, Queue.GPSIMD: store}, strict=False)
    assert (result.errors[Queue.SYNC].code, result.errors[Queue.SYNC].tag) == (ErrorCode.BUS_READ, 5)
    assert (result.errors[Queue.GPSIMD].code, result.errors[Queue.GPSIMD].tag) == (ErrorCode.BUS_WRITE, 6)
    assert not result.sbuf_written.any()


@pytest.mark.parametrize(
    ("queue", "opcode"), [(Queue.SYNC, Opcode.DMA_STORE), (Queue.GPSIMD, Opcode.DMA_LOAD)], ids=["store", "load"]
)
def test_each_direction_has_one_queue(queue, opcode):
    result = run({queue: [make(opcode, tag=7), HALT]}, strict=False)
    assert (result.errors[queue].code, result.errors[queue].tag) == (ErrorCode.OPCODE, 7)


def test_unwritten_sbuf_psum_and_weights_are_reported():
    with pytest.raises(GoldenError, match="src0 reads SBUF partition 0 byte 0, which was never written"):
        run({Queue.VECTOR: [make(Opcode.TENSOR_COPY), HALT]})
    with pytest.raises(GoldenError, match="src0 reads PSUM partition 0 byte 0"):
        run({Queue.SCALAR: [make(Opcode.ACTIVATION, src0_space=int(Space.PSUM)), HALT]})
    loads = [make(Opcode.DMA_LOAD, **signal(0)), HALT]
    narrow = make(Opcode.LOAD_STATIONARY, src0_size0=3, **wait(0, 1))
    with pytest.raises(GoldenError, match=r"stationary row 0 column 3, which the last .* \(4 of 16 weights\)"):
        run({Queue.SYNC: loads, Queue.TENSOR: [narrow, make(Opcode.MATMUL), HALT]})
    accumulate = make(Opcode.MATMUL, accumulate=1)
    with pytest.raises(GoldenError, match="dst reads PSUM partition 0 byte 0"):
        run({Queue.SYNC: loads, Queue.TENSOR: [make(Opcode.LOAD_STATIONARY, **wait(0, 1)), accumulate, HALT]})


def test_overlap_within_an_instruction_is_reported():
    load = [make(Opcode.DMA_LOAD, dst_size0=8, **signal(0)), HALT]
    for change, open_result in (({"dst_offset": 4}, True), ({"dst_offset": 0}, False), ({"dst_offset": 16}, False)):
        copy = make(Opcode.TENSOR_COPY, **change, **wait(0, 1))
        assert bool(run({Queue.SYNC: load, Queue.VECTOR: [copy, HALT]}, strict=False).findings) is open_result


@pytest.mark.parametrize(
    ("strides", "twice"),
    [
        ((4, 16), False),
        ((16, 4), False),  # columns
        ((-4, -16), False),
        ((4, 12), True),  # row 1 begins on the last element of row 0
        ((4, 0), True),  # all rows in one place
        ((3, 16), True),  # elements reach into each other
        ((12, 16), False),  # rows lie between each other's elements: only the addresses tell
        ((-7, 29), False),  # unaligned
    ],
)
def test_a_store_that_writes_a_byte_twice_is_reported(strides, twice):
    """Four rows of four fp32; whatever is not reported arrives, element by element."""
    to = DATA + 0x1000
    store = make(Opcode.DMA_STORE, address=to, memory_stride0=strides[0], memory_stride4=strides[1], **wait(0, 1))
    load = make(Opcode.DMA_LOAD, **signal(0))
    result = run({Queue.SYNC: [load, HALT], Queue.GPSIMD: [store, HALT]}, strict=False)
    assert [f.text for f in result.findings if "twice" in f.text] == [f.text for f in result.findings]
    assert bool(result.findings) is twice
    for row in range(4):
        for element in range(4):
            at, source = to + row * strides[1] + element * strides[0], DATA + 16 * row + 4 * element
            assert twice or (result.memory[at : at + 4] == result.memory[source : source + 4]).all()


def test_seed_shows_a_race_and_waits_remove_it():
    def memory(ordered, seed):
        store = make(Opcode.DMA_STORE, address=DATA + 0x1000, **(wait(0, 1) if ordered else {}))
        first = make(Opcode.DMA_LOAD, address=DATA + 0x800, **signal(1), after=0)
        second = make(Opcode.DMA_LOAD, **(signal(0) if ordered else {}), **wait(1, 1))
        streams = {Queue.SYNC: [first, second, HALT], Queue.GPSIMD: [store, HALT]}
        return run(streams, strict=False, seed=seed).memory.tobytes()

    assert len({memory(False, seed) for seed in range(20)}) > 1
    assert len({memory(True, seed) for seed in range(20)}) == 1


def test_after_waits_for_everything_earlier_of_its_queue():
    loads = [make(Opcode.DMA_LOAD), make(Opcode.NOP, after=1, **signal(0)), HALT]
    stores = [make(Opcode.DMA_STORE, address=DATA + 0x1000, **wait(0, 1)), HALT]
    images = {run({Queue.SYNC: loads, Queue.GPSIMD: stores}, seed=seed).memory.tobytes() for seed in range(20)}
    assert len(images) == 1


def test_loads_do_not_wait_for_a_store_that_waits():
    """The store waits for what a later load brings: only queues of their own let the program end."""
    loads = [make(Opcode.DMA_LOAD, **signal(0)), HALT]
    stores = [make(Opcode.DMA_STORE, address=DATA + 0x1000, **wait(0, 1), **signal(1)), HALT]
    result = run({Queue.GPSIMD: stores, Queue.SYNC: loads})
    assert result.semaphores[:2] == (1, 1) and not result.blocked


def test_repeated_destination_accumulates_in_order():
    """Four columns into one PSUM element: one rounding a column, in the order of the columns."""
    values = np.array([1, 2**24, 1, 1], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    one = np.array([0x3F80] * 4, np.uint16)
    streams = {
        Queue.SYNC: [
            make(Opcode.DMA_LOAD, **signal(0), partitions=1, address=0x7000, dst_size0=4, memory_stride4=0),
            HALT,
        ],
        Queue.TENSOR: [
            make(Opcode.LOAD_STATIONARY, partitions=1, src0_size0=1, src0_offset=0, **wait(0, 1)),
            make(Opcode.MATMUL, partitions=1, columns=1, dst_size0=1, src0_size0=1, src0_offset=8),
            make(Opcode.MATMUL, partitions=1, columns=1, dst_stride0=0, accumulate=1, src0_offset=8),
            HALT,
        ],
    }
    memory, addresses = assembled(streams)
    memory[0x7000:0x7008], memory[0x7008:0x7010] = one.view(np.uint8), bits.view(np.uint8)
    psum = Machine(TINY).run(memory, addresses).psum
    total = np.float32(1)
    for value in values:
        total = np.float32(total + value)
    assert psum[0, 0] == total.view(np.uint32)


def test_occurrence_counts_repeats():
    turns, before = occurrence(np.array([5, 7, 5, 5, 7]))
    assert turns.tolist() == [0, 0, 1, 2, 1]
    assert before.tolist() == [-1, -1, 0, 2, 1]
