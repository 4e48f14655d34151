"""Tensor engine against its lockstep models: every port in every cycle, and the sums against the golden machine."""

import random
from typing import Any

import cocotb
import numpy as np

from makalu.hw.spec.isa import Opcode, Queue, Space
from makalu.sim_models.golden.check import check
from makalu.sim_models.golden.memory import PartitionedMemory
from makalu.sim_models.golden.tensor import GoldenTensor
from makalu.sw.rtl.params import bench_params
from verif.tensor.configs import small_core
from verif.tensor.programs import Command, back_to_back, hazards, ragged, warm_up
from verif.tensor.tb import TensorBench

PARAMS = bench_params()
CONFIG = small_core(**PARAMS["config"])
COMMANDS = PARAMS["commands"]


async def started(dut: Any) -> TensorBench:
    bench = TensorBench(dut, CONFIG, random.Random(cocotb.RANDOM_SEED))
    await bench.start()
    await bench.run(warm_up(CONFIG))
    bench.data_defined = True
    return bench


class Golden:
    """The golden tensor engine on copies of the memories that the models hold now."""

    def __init__(self, bench: TensorBench) -> None:
        self.reports: list[str] = []
        self.memories = {}
        for space, bytes_ in ((Space.SBUF, CONFIG.sbuf.partition_bytes), (Space.PSUM, CONFIG.psum.partition_bytes)):
            self.memories[space] = PartitionedMemory(
                space=space, partitions=CONFIG.partitions, partition_bytes=bytes_, report=self.reports.append
            )
        sbuf, psum = self.memories[Space.SBUF], self.memories[Space.PSUM]
        sbuf.data[:] = bench.model.sbuf.memory.reshape(CONFIG.partitions, -1)
        sbuf.written[:] = True
        psum.data[:] = bench.model.psum.memory.view(np.uint8)
        psum.written[:] = True
        self.engine = GoldenTensor(config=CONFIG, sbuf=sbuf, psum=psum, report=self.reports.append)
        self.engine.load_stationary(warm_up(CONFIG)[0].instruction)

    def run(self, commands: list[Command]) -> None:
        for command in commands:
            instruction = command.instruction
            violation = check(instruction, Queue.TENSOR, CONFIG)
            assert violation[0] == 0, violation
            if instruction.opcode == Opcode.LOAD_STATIONARY:
                self.engine.load_stationary(instruction)
            else:
                self.engine.matmul(instruction)


async def against_golden(bench: TensorBench, commands: list[Command]) -> None:
    golden = Golden(bench)
    await bench.run(commands)
    golden.run(commands)
    assert not golden.reports, golden.reports
    assert not bench.model.sbuf.undefined
    sums = bench.model.psum.memory
    wanted = golden.memories[Space.PSUM].data.view("<u4")
    wrong = np.argwhere(sums != wanted)
    assert not len(wrong), f"{len(wrong)} sums differ, first at [partition, element] {wrong[0]}"


def missing(bench: TensorBench, points: tuple[str, ...]) -> list[str]:
    cocotb.log.info("seen: %s", dict(bench.seen))
    return [point for point in points if not bench.seen[point]]


@cocotb.test()
async def ragged_programs(dut: Any) -> None:
    """Ragged K, M and N, strides, loads without matmuls, gaps; DMA reads between."""
    bench = await started(dut)
    bench.dma_reads = 0.4
    await against_golden(bench, ragged(CONFIG, bench.rng, commands=COMMANDS))
    points = ("swap", "load overlaps columns", "stalled", "load waits", "matmul waits", "accumulate", "overwrite")
    assert not missing(bench, points)


@cocotb.test()
async def destinations_that_return(dut: Any) -> None:
    """Short accumulating matmuls on few addresses: every sum arrives, none overtakes."""
    bench = await started(dut)
    await against_golden(bench, hazards(CONFIG, bench.rng, commands=COMMANDS))
    assert not missing(bench, ("stalled", "accumulate", "all buffers held"))


@cocotb.test()
async def first_pair(dut: Any) -> None:
    """Load accepted in a, matmul in a + 1: first column in a + 5, finishes in the cycles of the contract."""
    bench = await started(dut)
    del bench.columns[:], bench.accepted[:]
    for cycles in bench.finishes.values():
        cycles.clear()
    tensor = CONFIG.tensor
    await bench.run(back_to_back(CONFIG, pairs=1, free=4))
    load, matmul = bench.accepted
    assert matmul.cycle == load.cycle + 1
    assert bench.columns == [load.cycle + 5 + i for i in range(4)]
    groups = tensor.columns // tensor.load_columns
    assert bench.finishes["finish_load"] == [load.cycle + 3 + groups - 1 + (tensor.rows - 1) * tensor.add_stages]
    chain = 1 + tensor.mul_stages + tensor.rows * tensor.add_stages
    last_commit = bench.columns[-1] + chain + tensor.columns - 1 + CONFIG.psum.add_stages
    assert bench.finishes["finish_matmul"] == [last_commit]


@cocotb.test()
async def tiles_back_to_back(dut: Any) -> None:
    """A column in every cycle between the first and the last, with another stationary tile each time."""
    bench = await started(dut)
    tensor, word = CONFIG.tensor, CONFIG.sbuf.word_bytes
    elements = word // 2
    frame = 4
    for free in (*range(16, 65, 4), 30, 42, 62):
        for offset in (0, 2, word - 2):
            rows = -(-free // 16)
            if free % rows or (rows > 1 and free // rows % elements):
                continue  # rows that cut words cost a read each: that is another point
            words = -(-(free + offset // 2) // elements)
            lead = tensor.columns // 2 + 5 if free % frame else tensor.columns // 2 + 2
            if free < frame * words or free < lead or (offset and free < 24):
                continue
            del bench.columns[:]
            await bench.run(back_to_back(CONFIG, pairs=6, free=free, offset=offset))
            span = bench.columns[-1] - bench.columns[0] + 1
            assert span == len(bench.columns) == 6 * free, f"N={free}, offset {offset}: {span - 6 * free} bubbles"
            bench.seen["offset" if offset else "aligned"] += 1
    assert bench.seen["aligned"] > 5, dict(bench.seen)
    assert bench.seen["offset"] > 3 or elements == frame, dict(bench.seen)
