"""A transfer that fails half way: each byte of its destination is old or new, and nothing else is written.

A descriptor begins inside the memory and leaves it; a legal one is behind it in the same channel: of a load nothing
moves, of a store some bursts may have been on the way. A second program, started without reset, stores the SBUF, so
that memory shows all.
"""

import functools
import shutil

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine as GoldenMachine
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import AP_DIMS, INSTRUCTIONS, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import QueueState
from makalu.sw.compile.program import PAGE
from tests.core.bad_input import CONFIG, queues_of
from tests.core.machines import observed_machine

pytestmark = pytest.mark.slow

BURST = CONFIG.dma.burst_bytes
ROW = 4 * BURST
"""Bytes of each partition's SBUF that the programs fill."""
ROWS = CONFIG.partitions * ROW
RESULT, BEHIND, BAD, FILL, GOOD = PAGE, PAGE + PAGE // 2, 2 * PAGE, 2 * PAGE + PAGE // 2, 3 * PAGE
SIZE = 4 * PAGE
INSIDE = 2
"""Partitions of the failing transfer that lie in the memory."""
SECOND = ROW - 2 * BURST
"""SBUF offset of the legal transfer behind the failing one."""
MOST_CYCLES = 20_000
CODES = {Opcode.DMA_LOAD: ErrorCode.BUS_READ, Opcode.DMA_STORE: ErrorCode.BUS_WRITE}


def transfer(opcode, address, row, *, offset=0, form=FP32, **values):
    slot = "dst" if opcode is Opcode.DMA_LOAD else "src0"
    operand = {"space": Space.SBUF, "dtype": form.code, "stride0": 1, "size0": row // form.bytes, "offset": offset}
    operand |= {f"size{d}": 1 for d in range(1, AP_DIMS)}
    fields = {f"{slot}_{name}": value for name, value in operand.items()}
    memory = {"address": address, "memory_stride0": form.bytes, "memory_stride4": row}
    return encode(Instruction(opcode, fields | memory | {"partitions": CONFIG.partitions} | values))


@functools.cache
def random_bytes(size, seed):
    return np.random.default_rng(seed).integers(1, 256, size, dtype=np.uint8)


def settle(expected, seen, source):
    """Take what was `seen` as `expected` where it is new, which then is `source`; how many bytes are new."""
    moved = seen != expected
    assert np.array_equal(seen[moved], source[moved])
    expected[moved] = seen[moved]
    return int(np.count_nonzero(moved))


@pytest.mark.parametrize("form", [FP32, BF16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("latency", [0, 100])
@pytest.mark.parametrize("row", [BURST, 2 * BURST])
@pytest.mark.parametrize("opcode", CODES, ids=lambda opcode: opcode.name.lower())
def test_old_or_new(opcode, row, latency, form):
    edge, size = SIZE - INSIDE * row, CONFIG.partitions * row
    image = np.zeros(SIZE, np.uint8)
    image[:ROWS] = random_bytes(ROWS, 1)
    image[edge:] = random_bytes(SIZE - edge, 2)
    halt = encode(Instruction(Opcode.HALT))
    first = slice(form.bytes, form.bytes + row)  # no word boundary: a load must merge
    second = slice(SECOND, SECOND + row)
    (queue,) = INSTRUCTIONS[opcode].queues
    filled = {"wait0_kind": 1, "wait0_value": 1}
    bad = [
        transfer(opcode, edge, row, offset=first.start, form=form, **filled),
        transfer(opcode, BEHIND, row, offset=second.start, form=form),
        halt,
    ]
    fill = [transfer(Opcode.DMA_LOAD, 0, ROW, signal0_kind=1)]
    good = [transfer(Opcode.DMA_STORE, RESULT, ROW), halt]
    # the load that fills SBUF is ahead in the same queue, or the whole of its own
    starts = {Queue.SYNC: FILL, queue: FILL if queue is Queue.SYNC else BAD}
    place = starts[queue] + len(fill[0]) * (queue is Queue.SYNC)
    fill += bad if queue is Queue.SYNC else [halt]
    for at, program in ((FILL, fill), (BAD, bad), (GOOD, good)):
        stream = np.frombuffer(b"".join(program), np.uint8)
        image[at : at + stream.size] = stream
    result = observed_machine("tiny").run(
        image,
        {Queue.GPSIMD: GOOD},
        before=[starts],
        max_cycles=MOST_CYCLES,
        memory=MemoryTiming.of(CONFIG.memory, latency=latency),
    )
    shutil.rmtree(result.trace.parent)
    failed = queues_of(result.earlier[0], [queue])[queue]
    assert (failed.state, failed.code, failed.address) == (QueueState.ERROR, CODES[opcode], place)

    loaded = image[:ROWS].reshape(-1, ROW)
    stored = result.image[RESULT : RESULT + ROWS].reshape(-1, ROW)
    sbuf, memory = loaded.copy(), image.copy()
    if opcode is Opcode.DMA_LOAD:
        moved = settle(sbuf[:INSIDE, first], stored[:INSIDE, first], image[edge:].reshape(-1, row))
    else:
        moved = settle(memory[edge:], result.image[edge:], loaded[:INSIDE, first].reshape(-1))
        behind = slice(BEHIND, BEHIND + size)
        settle(memory[behind], result.image[behind], loaded[:, second].reshape(-1))
    assert moved  # it did fail half way
    memory[RESULT : RESULT + ROWS] = sbuf.reshape(-1)
    assert np.array_equal(stored, sbuf)
    assert np.array_equal(result.image, memory)


@pytest.mark.parametrize("latency", [0, 100])
@pytest.mark.parametrize("opcode", CODES, ids=lambda opcode: opcode.name.lower())
def test_a_later_illegal_instruction_hides_nothing(opcode, latency):
    """The registers name the first error in program order, in the RTL and in golden, however late it comes."""
    image = np.zeros(SIZE, np.uint8)
    (queue,) = INSTRUCTIONS[opcode].queues
    good = transfer(opcode, BEHIND, BURST, tag=1)
    bad = transfer(opcode, SIZE - INSIDE * BURST, BURST, tag=2)
    refused = encode(Instruction(opcode, {"tag": 3}))
    for n, word in enumerate([good, bad, refused, encode(Instruction(Opcode.HALT))]):
        image[FILL + n * len(word) : FILL + (n + 1) * len(word)] = np.frombuffer(word, np.uint8)
    memory = MemoryTiming.of(CONFIG.memory, latency=latency)
    result = observed_machine("tiny").run(image, {queue: FILL}, max_cycles=MOST_CYCLES, memory=memory)
    shutil.rmtree(result.trace.parent)
    failed = queues_of(result.registers, [queue])[queue]
    assert (failed.state, failed.code) == (QueueState.ERROR, CODES[opcode])
    assert (failed.address, failed.tag) == (FILL + len(bad), 2)
    for seed in (None, *range(10)):
        error = GoldenMachine(CONFIG, strict=False).run(image, {queue: FILL}, seed=seed).errors[queue]
        assert (error.code, error.address, error.tag) == (CODES[opcode], FILL + len(bad), 2)
