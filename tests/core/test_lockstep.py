"""Compiled runs of the core, replayed on the lockstep models: every observed port, handshake and register."""

import functools
import shutil

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import Channel
from makalu.spec.formats import FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from tests.core.bad_input import OUTSIDE, SettlingMachine, spoil_first, with_fields
from tests.core.machines import observed_machine
from tests.core.replay import check_replay
from verif.core.observation import row_bytes

MOST_CYCLES = 20_000
WATCHDOG = 400
SETTLE = 1500
SEEDS = (40, 41)
TINY = load_preset("tiny")
MEMORIES = [
    MemoryTiming.of(TINY.memory, latency=0),
    MemoryTiming.of(TINY.memory, latency=60),
    MemoryTiming(latency=9, numerator=5, denominator=3, outstanding_reads=3, outstanding_writes=2),
]


def replay(machine, image, programs, memory, *, watchdog=0, tamper=None):
    result = machine.run(
        image, programs, max_cycles=MOST_CYCLES, memory=memory, log=True, watchdog=watchdog, seed=len(image)
    )
    try:
        if tamper is not None:
            tamper(result)
        replayed = check_replay(
            machine, result, image, programs, memory=memory, max_cycles=MOST_CYCLES, watchdog=watchdog
        )
    finally:
        shutil.rmtree(result.trace.parent)
    assert replayed.cycles > result.cycles and replayed.handshakes
    return result


def random_case(seed, instructions=60):
    case = random_program(TINY, seed=seed, instructions=instructions, elements=8)
    return case.program.image(case.inputs), case.program.addresses


@pytest.mark.parametrize("memory", MEMORIES, ids=["at-once", "slow", "scarce"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed, memory):
    replay(observed_machine("tiny"), *random_case(seed), memory)


def test_gemm():
    spec = TensorSpec((12, 12), nl.bfloat16)
    random = np.random.default_rng(0)
    program = compile_kernel(gemm, TINY, a=spec, b=spec)
    image = program.image({name: random.normal(size=(12, 12)) for name in ("a", "b")})
    replay(observed_machine("tiny"), image, program.addresses, MEMORIES[1])


def test_reading_sbuf_that_was_never_written_is_reported():
    """A store of SBUF's last bytes, which nobody has filled; one byte beside them, written before, is no excuse."""
    last = TINY.sbuf.partition_bytes - TINY.sbuf.word_bytes
    pattern = {"size0": 1, "size1": 1, "size2": 1, "size3": 1, "space": Space.SBUF, "dtype": FP32.code}
    load = {f"dst_{name}": value for name, value in pattern.items()} | {"dst_offset": last - 4, "signal0_kind": 1}
    store = {f"src0_{name}": value for name, value in pattern.items()} | {"src0_offset": last, "wait0_kind": 1}
    common = {"partitions": 1, "address": 768, "memory_stride0": 4}
    image = np.zeros(1024, np.uint8)
    programs = {Queue.SYNC: 0, Queue.GPSIMD: 2 * INSTRUCTION_BYTES}
    for (opcode, values), at in zip(
        ((Opcode.DMA_LOAD, load), (Opcode.DMA_STORE, store | {"wait0_value": 1})), programs.values(), strict=True
    ):
        words = encode(Instruction(opcode, values | common)) + encode(Instruction(Opcode.HALT))
        image[at : at + len(words)] = np.frombuffer(words, np.uint8)
    place = rf"'dma', 0, {last // TINY.sbuf.word_bytes}\)"
    with pytest.raises(AssertionError, match=rf"SBUF read before it was written .*{place}"):
        replay(observed_machine("tiny"), image, programs, MEMORIES[0])


@functools.cache
def settling_machine():
    machine = SettlingMachine(config=TINY, observe="all")
    machine.settle = SETTLE
    return machine


BAD = {
    "opcode": (Queue.VECTOR, lambda i: True, {"opcode": 0x7F}),
    "sbuf-address": (Queue.SCALAR, lambda i: True, {"dst_offset": TINY.sbuf.partition_bytes}),
    "load": (Queue.SYNC, lambda i: i.opcode == Opcode.DMA_LOAD, {"address": OUTSIDE}),
    "store": (Queue.GPSIMD, lambda i: i.opcode == Opcode.DMA_STORE, {"address": OUTSIDE}),
    "watchdog": (Queue.TENSOR, lambda i: True, {"wait0_kind": 1, "wait0_value": 0x3FFF}),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(kind):
    """Also when queues stop, and while others go on, model and RTL agree in every cycle."""
    queue, wanted, values = BAD[kind]
    case = spoil_first(queue, wanted, lambda data: with_fields(data, **values))
    result = replay(settling_machine(), case.image, case.addresses, MEMORIES[0], watchdog=WATCHDOG)
    assert result.error


def flip(cycle, bit):
    """Flips a bit of a sample of the trace."""

    def tamper(result):
        width = row_bytes(TINY)
        raw = np.fromfile(result.trace, np.uint8)
        raw[cycle * width + bit // 8] ^= 1 << (bit % 8)
        raw.tofile(result.trace)

    return tamper


def test_one_flipped_bit_is_named():
    """The valid of the tensor queue's issue, and a bit of semaphore 0, in cycle 777."""
    with pytest.raises(AssertionError, match=r"cycle 777, port issue\[0\].valid"):
        replay(observed_machine("tiny"), *random_case(40), MEMORIES[0], tamper=flip(777, 0))
    semaphores = (len(Queue) + len(Channel)) * 17 + 1
    with pytest.raises(AssertionError, match=r"cycle 777, port semaphores\[0\].value: RTL .* tensor \d+"):
        replay(observed_machine("tiny"), *random_case(40), MEMORIES[0], tamper=flip(777, semaphores + 3))


def test_another_memory_is_noticed():
    """A beat that comes a cycle later than in the model shows as a handshake or a port."""
    machine, (image, programs) = observed_machine("tiny"), random_case(41)
    result = machine.run(image, programs, max_cycles=MOST_CYCLES, memory=MEMORIES[1], log=True)
    other = MemoryTiming.of(TINY.memory, latency=MEMORIES[1].latency + 1)
    with pytest.raises(AssertionError):
        check_replay(machine, result, image, programs, memory=other, max_cycles=MOST_CYCLES)
    shutil.rmtree(result.trace.parent)
