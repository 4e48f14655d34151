"""After an error the host starts the core again, without reset: the next program finds nothing of the one that failed.

Two programs are in one memory image. The golden machine runs the good one on what the bad one left; every cycle of both
runs equals the lockstep model.
"""

import functools
import shutil

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine as GoldenMachine
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FP32
from makalu.spec.isa import AP_DIMS, FIELDS, INSTRUCTION_BYTES, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import QueueState, Status
from makalu.sw.compile.program import PAGE
from makalu.sw.random_programs.program import random_program
from tests.core.bad_input import (
    CONFIG,
    OUTSIDE,
    WATCHDOG,
    Expected,
    SettlingMachine,
    Spoilt,
    expected,
    queues_of,
    spoil_first,
    with_fields,
)
from tests.core.machines import observed_machine
from tests.core.replay import check_replay

pytestmark = pytest.mark.slow

BAD_SEED, GOOD_SEED = 1, 2
GOOD_INSTRUCTIONS = 40
MOST_CYCLES = 40_000
ELEMENTS = 16
SETTLE = 1500
SLOW = 400
HOST_CYCLES = 200
"""From an error until the host has read all registers and started again; memory of latency `SLOW` takes longer."""


@functools.cache
def settling_machine():
    machine = SettlingMachine(config=CONFIG, observe="all")
    machine.settle = SETTLE
    return machine


def behind(image, program, inputs):
    """The image with `program` and its tensors moved behind it; and where its queues start."""
    own, base = program.image(inputs), image.size
    lsb, count = FIELDS["address"].lsb // 8, FIELDS["address"].bits // 8
    for queue, stream in program.streams.items():
        for at in range(program.addresses[queue], program.addresses[queue] + len(stream), INSTRUCTION_BYTES):
            if own[at] in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
                own[at + lsb : at + lsb + count].view("<u8")[0] += base
    return np.concatenate([image, own]), {queue: base + at for queue, at in program.addresses.items()}


@functools.cache
def good():
    return random_program(CONFIG, seed=GOOD_SEED, instructions=GOOD_INSTRUCTIONS, elements=8)


def check_restart(machine, bad, *, latency, watchdog):
    """Memory and registers after `bad`, a start and the good program; returns the run and the lines of its log."""
    image, programs = behind(bad.image, good().program, good().inputs)
    failed, memory = expected(Spoilt(image, bad.addresses, bad.queue, bad.number))
    memory = GoldenMachine(CONFIG).run(memory, programs).memory
    timing = MemoryTiming.of(CONFIG.memory, latency=latency)
    arguments = {"memory": timing, "max_cycles": MOST_CYCLES, "watchdog": watchdog, "before": [bad.addresses]}
    result = machine.run(image, programs, log=True, **arguments)
    try:
        check_replay(machine, result, image, programs, **arguments)
        log = [line.split() for line in result.log.read_text().splitlines()]
    finally:
        shutil.rmtree(result.trace.parent)
    (before,) = result.earlier
    assert before["status"] == before["interrupt"] == Status.ERROR
    assert queues_of(before, bad.addresses) == failed
    after = result.registers
    assert after["status"] == after["interrupt"] == Status.DONE
    assert queues_of(after, programs) == dict.fromkeys(programs, Expected(QueueState.HALTED))
    assert np.array_equal(result.image, memory)
    return result, log


BAD = {
    "opcode": (Queue.VECTOR, lambda i: True, {"opcode": 0x7F}),
    "sbuf-address": (Queue.SCALAR, lambda i: True, {"dst_offset": CONFIG.sbuf.partition_bytes}),
    "size": (Queue.TENSOR, lambda i: i.opcode == Opcode.MATMUL, {"columns": 0}),
    "load": (Queue.SYNC, lambda i: i.opcode == Opcode.DMA_LOAD, {"address": OUTSIDE}),
    "store": (Queue.GPSIMD, lambda i: i.opcode == Opcode.DMA_STORE, {"address": OUTSIDE}),
    "watchdog": (Queue.TENSOR, lambda i: True, {"wait0_kind": 1, "wait0_value": 0x3FFF}),
}


@pytest.mark.parametrize("kind", BAD)
def test_after_an_instruction(kind):
    """One queue fails in the middle of its program, the others where they wait for it."""
    queue, wanted, values = BAD[kind]
    bad = spoil_first(queue, wanted, lambda data: with_fields(data, **values), seed=BAD_SEED)
    check_restart(settling_machine(), bad, latency=0, watchdog=WATCHDOG)


@pytest.mark.parametrize("address", [OUTSIDE, 4], ids=["fetch", "misaligned"])
def test_after_a_start(address):
    """The program lies outside the memory, or is not aligned."""
    bad = Spoilt(np.zeros(PAGE, np.uint8), {Queue.SCALAR: address}, Queue.SCALAR, 0)
    check_restart(observed_machine("tiny"), bad, latency=0, watchdog=0)


def transfer(opcode, **values):
    """The first elements of each partition from or to the first bytes of memory, the same for all partitions."""
    slot = "dst" if opcode is Opcode.DMA_LOAD else "src0"
    operand = {"space": Space.SBUF, "dtype": FP32.code, "stride0": 1, "size0": ELEMENTS}
    operand |= {f"size{d}": 1 for d in range(1, AP_DIMS)}
    fields = {f"{slot}_{name}": value for name, value in operand.items()}
    memory = {"partitions": CONFIG.partitions, "memory_stride0": FP32.bytes}
    return encode(Instruction(opcode, fields | memory | values))


LOAD, STORE, HALT = transfer(Opcode.DMA_LOAD), transfer(Opcode.DMA_STORE), encode(Instruction(Opcode.HALT))
"""A load and the store of the same bytes to where they came from."""
FILL, FILLED = with_fields(LOAD, signal0_kind=1), {"wait0_kind": 1, "wait0_value": 1}
NOPS = [encode(Instruction(Opcode.NOP))] * 40
"""A channel that fails has drained by then; so that something is open, its queue goes on fetching."""
OPEN = {
    "opcode": (ErrorCode.OPCODE, 0, {Queue.SYNC: [with_fields(LOAD, opcode=0x7F), *NOPS, HALT]}),
    "load": (
        ErrorCode.BUS_READ,
        1,
        {Queue.SYNC: [LOAD, transfer(Opcode.DMA_LOAD, address=OUTSIDE, after=1), LOAD, *NOPS, HALT]},
    ),
    "store": (
        ErrorCode.BUS_WRITE,
        0,
        {
            Queue.GPSIMD: [transfer(Opcode.DMA_STORE, address=OUTSIDE, **FILLED), STORE, *NOPS, HALT],
            Queue.SYNC: [FILL, HALT],
        },
    ),
}
"""Code, number of the instruction that fails, programs: the first fails, the others have halted by then."""


@pytest.mark.parametrize("kind", OPEN)
def test_at_once(kind):
    """The start waits until memory has answered everything that the failed program had asked for."""
    code, number, programs = OPEN[kind]
    image = np.zeros(4 * PAGE, np.uint8)
    starts = {queue: PAGE + 2 * n * PAGE for n, queue in enumerate(programs)}
    for queue, instructions in programs.items():
        stream = np.frombuffer(b"".join(instructions), np.uint8)
        image[starts[queue] : starts[queue] + stream.size] = stream
    failing = next(iter(programs))
    bad = Spoilt(image, starts, failing, number)
    result, log = check_restart(observed_machine("tiny"), bad, latency=SLOW, watchdog=0)
    before = result.earlier[0]
    assert before[f"{failing.name.lower()}_error"] == code
    fetches = [(int(line[0]), int(line[3], 16)) for line in log if line[1] == "iar"]
    error = fetches[0][0] + before["cycles"]
    restart = next(cycle for cycle, address in fetches if address >= image.size)
    answer = max(int(line[0]) for line in log if line[1] in ("ir", "r", "b") and int(line[0]) < restart)
    assert error + HOST_CYCLES < answer
