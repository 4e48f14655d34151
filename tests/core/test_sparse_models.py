"""Sparse tiles on the core of lockstep models: golden's memory, the timing model's cycles, tags out of range."""

from dataclasses import replace

import numpy as np
import pytest

from makalu.sim_models.lockstep.host import IDLE_CONTROL
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.sim_models.lockstep.run import run_core
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import CHANNELS, Channel
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import DMA_ELEMENTS
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.registers import QueueState
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from makalu.sw.run import run_golden_machine
from makalu.sw.timing import predict
from verif.tensor.sparse_programs import load_sparse, sparse_matmul

TINY = load_preset("tiny")
SPARSE = replace(TINY, name="tiny-sparse", tensor=replace(TINY.tensor, candidates=16, moving_buffers=8))
MEMORY = MemoryTiming.of(SPARSE.memory, latency=4)
MOST = 20_000
SETTLE = 200
K, M, N = 4, 4, 16


def events(image, programs):
    """Of a run to its interrupt: start, issues and finishes (cycle, where, tag), and the last cycle."""
    start, issues, finishes, seen = None, [], [], None
    for seen in run_core(SPARSE, image, programs, timing=MEMORY, most=MOST):
        if start is None and seen.core.sequencer.any_running():
            start = seen.number
        issues += [(seen.number, queue, tag) for queue in Queue if (tag := seen.issued(queue)) is not None]
        finishes += [(seen.number, channel, tag) for channel in Channel if (tag := seen.finished(channel)) is not None]
    return start, issues, finishes, seen


def settle(core, image):
    """What is under way at the interrupt comes to its end; tags of what finishes meanwhile."""
    bus, tags = SPARSE.bus, []
    sizes = {"data_bytes": bus.data_bytes, "instruction_bytes": bus.instruction_bytes}
    memory = FixedMemory(memory=image, timing=MEMORY, **sizes)
    for _ in range(SETTLE):
        asked = core.masters()
        answers = memory.comb(asked)
        inputs = IDLE_CONTROL | answers
        tags.append(core.comb(inputs)["finish"])
        core.tick(inputs)
        memory.tick(asked, answers)
    return [each for each in tags if each]


def check(program, inputs):
    """Memory is golden's, and every issue and finish is in the cycle of the timing model."""
    image = program.image(inputs)
    start, issues, finishes, _ = events(image, program.addresses)
    assert np.array_equal(image, run_golden_machine(program, inputs, config=SPARSE).memory)
    timeline = predict(program, SPARSE, MEMORY, start=start)
    assert issues == sorted((e.cycle, e.where, e.tag) for e in timeline.issues)
    assert finishes == sorted((e.cycle, e.where, e.tag) for e in timeline.finishes)
    return sum(each.opcode == Opcode.LOAD_SPARSE for each in program.executed()[Queue.TENSOR])


def test_random_programs():
    found = 0
    for seed in range(4):
        case = random_program(SPARSE, seed=seed, instructions=80, elements=16)
        found += check(case.program, case.inputs)
    assert found


def every_ratio(w, x, *tags):
    """Each tile twice, the second time added to the first; a dense one in between."""
    out = []
    stationary, dense = nl.load(w), nl.ndarray((K, 3), w.dtype, name="dense")
    nisa.memset(dense, 0.5)
    moving = nl.load(x)
    for ratio, words in enumerate(tags, 1):
        sums = nl.ndarray((M, N), nl.float32, buffer=nl.psum, name="sums")
        for adds in (False, True):
            nisa.nc_matmul_sparse(sums, stationary, moving[:, :ratio], nl.load(words), accumulate=adds)
        nisa.nc_matmul(sums[:3], dense, moving[:, ratio - 1], accumulate=True)
        result = nl.ndarray((M, N), nl.float32, buffer=nl.shared_hbm, name=f"out_{ratio}")
        nl.store(result, sums)
        out.append(result)
    return tuple(out)


@pytest.mark.parametrize("form", [nl.bfloat16, nl.float8_e5m2], ids=["bf16", "e5m2"])
def test_a_kernel_of_every_ratio(form):
    rng = np.random.default_rng(3)
    inputs = {"w": rng.normal(size=(K, M)), "x": rng.normal(size=(K, 4, N))}
    for ratio in (1, 2, 3, 4):
        tags = 4 * rng.integers(0, 4, (K, M)) + rng.integers(0, ratio, (K, M))
        inputs[f"tags{ratio}"] = tags @ 16 ** np.arange(M)[:, None]
    kinds = {name: nl.uint16 if name.startswith("tags") else form for name in inputs}
    specs = [TensorSpec(each.shape, kinds[name]) for name, each in inputs.items()]
    program = compile_kernel(every_ratio, SPARSE, *specs)
    assert check(program, dict(zip(program.inputs, inputs.values(), strict=True))) == 8


def tensor_program(ratio):
    """A good pair, a load with tags from memory, two matmuls of it, a load and a matmul behind these."""
    tile = {"start": 0, "count": 4, "columns": 4}
    flat = {"sizes": (4, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
    word = SPARSE.sbuf.word_bytes

    def load(place, tag):
        return load_sparse(offset=0, tags=place, ratio=ratio, tag=tag, **tile)

    def multiply(bank, tag):
        where = {"moving": 0, "dst": bank * SPARSE.psum.bank_bytes, "step": word // 2}
        return sparse_matmul(ratio=ratio, tag=tag, **where, **flat, **tile)

    tagged = load(1024, 3)
    return [
        *(load(512, 1), multiply(0, 2)),
        Instruction(tagged.opcode, {**tagged.values, "wait0_kind": 1, "wait0_value": 1}),
        *(multiply(1, 4), multiply(2, 5), load(512, 6), multiply(3, 7)),
        Instruction(Opcode.HALT),
    ]


@pytest.mark.parametrize(("ratio", "tag", "good"), [(2, 0b0110, False), (2, 0b1101, True), (4, 0b1111, True)])
def test_a_tag_out_of_range_stops_the_queue(ratio, tag, good):
    """Code, address and tag of the load; matmuls behind it write nothing and finish nothing."""
    form = next(each for each in DMA_ELEMENTS if each.bytes == 2)
    fill = {"dst_space": Space.SBUF, "dst_dtype": form.code, "dst_size0": 1} | {f"dst_size{d}": 1 for d in (1, 2, 3)}
    fill |= {"dst_offset": 1024, "dst_partition": 2, "partitions": 1, "address": 4096, "memory_stride0": 1}
    sync = [Instruction(Opcode.DMA_LOAD, fill | {"signal0_kind": 1}), Instruction(Opcode.HALT)]
    image = np.zeros(8192, np.uint8)
    programs = {Queue.TENSOR: 0, Queue.SYNC: 2048}
    for queue, stream in ((Queue.TENSOR, tensor_program(ratio)), (Queue.SYNC, sync)):
        for n, instruction in enumerate(stream):
            first = programs[queue] + n * INSTRUCTION_BYTES
            image[first : first + INSTRUCTION_BYTES] = np.frombuffer(encode(instruction), np.uint8)
    image[4097] = tag << 4  # of the last column
    _, _, finishes, last = events(image, programs)
    late = settle(last.core, image)
    queue = last.core.sequencer.queues[Queue.TENSOR]
    written = last.core.psum.known.reshape(SPARSE.partitions, SPARSE.psum.banks, -1).any(axis=(0, 2))[:4].tolist()
    tags = [each[2] for each in finishes if each[1] in (Channel.TENSOR_LOAD, Channel.MATMUL)]
    if good:
        assert queue.state is QueueState.HALTED and queue.error[0] is ErrorCode.NONE
        assert sorted(tags) == [1, 2, 3, 4, 5, 6, 7] and written == [True] * 4
        return
    assert queue.state is QueueState.ERROR and late == []
    assert queue.error == (ErrorCode.TAG, 2 * INSTRUCTION_BYTES, 3)
    assert CHANNELS[Channel.MATMUL].fault is ErrorCode.TAG
    assert sorted(tags) == [1, 2] and written == [True, False, False, False]
