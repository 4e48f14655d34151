"""A bus that goes silent is reported, with the transfer that it left open; a transfer that only takes long is not."""

import shutil

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine as GoldenMachine
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FP32
from makalu.spec.isa import AP_DIMS, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import QueueState, Status
from makalu.sw.compile.program import PAGE
from makalu.sw.rtl.machine import Machine
from tests.core.bad_input import CONFIG, Expected, queues_of, with_fields
from tests.core.machines import observed_machine
from tests.core.replay import check_replay

pytestmark = pytest.mark.slow

LIMIT = 300
PAUSE = 2 * LIMIT
"""Cycles between two beats of the memory that falls silent."""
LOAD_TAG, WAIT_TAG = 5, 6
BAD, WAITER, GOOD, BOTH, STORE = (PAGE + n * PAGE // 8 for n in range(5))
RESULT, SIZE = 2 * PAGE, 3 * PAGE
ROW, LONG_ROW = 8, 4096
MOST_CYCLES = 20_000
HALT = encode(Instruction(Opcode.HALT))
WAIT = encode(Instruction(Opcode.NOP, {"tag": WAIT_TAG, "wait0_kind": 1, "wait0_semaphore": 1, "wait0_value": 1}))


def transfer(opcode, address, row, **values):
    """`row` bytes of each partition, one row after the other in memory; it signals semaphore 1."""
    slot = "dst" if opcode is Opcode.DMA_LOAD else "src0"
    operand = {"space": Space.SBUF, "dtype": FP32.code, "stride0": 1, "size0": row // FP32.bytes}
    operand |= {f"size{d}": 1 for d in range(1, AP_DIMS)}
    fields = {f"{slot}_{name}": int(value) for name, value in operand.items()}
    fields |= {"address": address, "memory_stride0": FP32.bytes, "memory_stride4": row}
    fields |= {"partitions": CONFIG.partitions, "signal0_kind": 1, "signal0_semaphore": 1}
    return encode(Instruction(opcode, fields | values))


def image_of(programs, size=SIZE):
    """Random bytes with the programs in them."""
    image = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    for at, instructions in programs.items():
        stream = np.frombuffer(b"".join(instructions), np.uint8)
        image[at : at + stream.size] = stream
    return image


class LimitForAWaiter(Machine):
    """The watchdog is on in a start in which a queue waits for ever, and off in another."""

    def _start_script(self, programs, max_cycles, watchdog):
        return super()._start_script(programs, max_cycles, watchdog if Queue.VECTOR in programs else 0)


def test_silent_bus_and_its_late_answer():
    """Both queues stop and say where; the load ends after the start was written, which waits for it."""
    late = transfer(Opcode.DMA_LOAD, 0, ROW, dst_offset=ROW, tag=LOAD_TAG)
    # `BOTH` loads what the two runs load, and signals once: golden has one run
    after = [transfer(Opcode.DMA_LOAD, PAGE // 2, ROW), HALT]
    store = transfer(Opcode.DMA_STORE, RESULT, 2 * ROW, wait0_kind=1, wait0_semaphore=1, wait0_value=1)
    both = [with_fields(late, signal0_kind=0, signal0_semaphore=0), *after]
    image = image_of({BAD: [late, HALT], WAITER: [WAIT, HALT], GOOD: after, BOTH: both, STORE: [store, HALT]})
    bad = {Queue.SYNC: BAD, Queue.VECTOR: WAITER}
    good = {Queue.SYNC: GOOD, Queue.GPSIMD: STORE}
    machine = LimitForAWaiter(config=CONFIG, observe="all")
    arguments = {
        "max_cycles": MOST_CYCLES,
        "memory": MemoryTiming(latency=0, numerator=CONFIG.bus.data_bytes, denominator=PAUSE),
        "watchdog": LIMIT,
        "before": [bad],
    }
    result = machine.run(image, good, log=True, **arguments)
    try:
        check_replay(machine, result, image, good, **arguments)
        beats = [int(line.split()[0]) for line in result.log.read_text().splitlines() if line.split()[1] == "r"]
    finally:
        shutil.rmtree(result.trace.parent)
    (before,) = result.earlier
    assert before["status"] == before["interrupt"] == Status.ERROR
    assert queues_of(before, bad) == {
        Queue.SYNC: Expected(QueueState.ERROR, ErrorCode.WATCHDOG, BAD, LOAD_TAG),
        Queue.VECTOR: Expected(QueueState.ERROR, ErrorCode.WATCHDOG, WAITER, WAIT_TAG),
    }
    assert beats[CONFIG.partitions - 1] > before["cycles"] + PAUSE  # it did answer late
    assert result.registers["status"] == Status.DONE
    assert np.array_equal(result.image, GoldenMachine(CONFIG).run(image, {**good, Queue.SYNC: BOTH}).memory)


def test_long_transfer_is_no_silence():
    """16 KiB take many times the limit, but no pause does; the queue that waits for them goes on."""
    long = transfer(Opcode.DMA_LOAD, 0, LONG_ROW)
    end = CONFIG.partitions * LONG_ROW
    programs = {Queue.SYNC: end, Queue.VECTOR: end + PAGE}
    image = image_of({end: [long, HALT], end + PAGE: [WAIT, HALT]}, size=end + 2 * PAGE)
    timing = MemoryTiming.of(CONFIG.memory, latency=50)
    result = observed_machine("tiny").run(image, programs, max_cycles=MOST_CYCLES, memory=timing, watchdog=LIMIT)
    shutil.rmtree(result.trace.parent)
    assert result.cycles > 5 * LIMIT
    assert queues_of(result.registers, programs) == dict.fromkeys(programs, Expected(QueueState.HALTED))
