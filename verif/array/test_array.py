"""PE array: the bottom edge in every cycle against the lockstep model, and the sums against golden."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from makalu.hw.tensor.layouts import group, tag_bits, x_edge
from makalu.sim_models.lockstep.array import ArrayModel
from makalu.sim_models.lockstep.gather import GatherModel
from makalu.spec.chain import CHAIN_BITS, OPERAND_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.sparsity import TAG_BITS
from makalu.sw.rtl.params import bench_params
from verif.array.schedule import EdgeInputs, Schedule, phased_matmuls, random_matmuls
from verif.lib.compare import compare
from verif.lib.sampling import drive, reset, start_clock
from verif.lib.variants import bench_config
from verif.tensor.encoding import finalised


def core() -> CoreConfig:
    return bench_config(bench_params()["config"])


class Bench:
    """One array beside its model."""

    def __init__(self, dut, config: CoreConfig) -> None:
        self.dut, self.config, self.tensor = dut, config, config.tensor
        self.model = ArrayModel(config)
        self.gather = GatherModel(config) if config.tensor.sparse else None
        self.cycle = 0
        self.compared = 0

    async def start(self) -> None:
        start_clock(self.dut)
        # so long that the chain is filled with +0, as the model starts
        for _ in range(self.tensor.rows):
            await reset(self.dut, {"x": 0, "w": 0})
            await RisingEdge(self.dut.clk)
        for _ in range(1 + self.tensor.mul_stages + self.tensor.rows * self.tensor.add_stages):
            await RisingEdge(self.dut.clk)

    def _packed(self, edge: EdgeInputs) -> dict[str, int]:
        x, w = edge
        moving, stationary = x["operand"], w["operands"]
        x_port = w_port = 0
        x_layout, w_layout = x_edge(self.tensor), group(self.config)
        operand, columns = self.tensor.operand_bits, self.tensor.load_columns
        for row in range(self.tensor.rows):
            word = int(moving[row]) | int(x["active"][row]) << operand | int(x["swap"][row]) << operand + 1
            weights = sum(int(stationary[row, i]) << (i * operand) for i in range(columns))
            weights |= int(w["tag"][row]) << (columns * operand)
            weights |= int(w["valid"][row]) << (columns * operand + tag_bits(self.tensor))
            if self.tensor.sparse:
                word |= int(x["sparse"][row]) << x_layout["sparse"].offset
                low = x_layout["candidates"].offset
                word |= sum(int(each) << low + n * OPERAND_BITS for n, each in enumerate(x["candidates"][row]))
                low = w_layout["picks"].offset
                weights |= sum(int(each) << low + i * TAG_BITS for i, each in enumerate(w["picks"][row]))
            x_port |= word << (row * x_layout.size)
            w_port |= weights << (row * w_layout.size)
        return {"x": x_port, "w": w_port}

    async def step(self, edge: EdgeInputs) -> np.ndarray:
        """One cycle: drive, compare the columns that do not depend on undefined weights; the finalised bottom edge."""
        drive(self.dut, self._packed(edge))
        await RisingEdge(self.dut.clk)
        want, known = self.model.comb(), self.model.known
        text = str(self.dut.p.value)
        words = [text[len(text) - (c + 1) * CHAIN_BITS : len(text) - c * CHAIN_BITS] for c in range(len(want))]
        got = [finalised(int(bits, 2), subnormals=self.tensor.subnormals) if set(bits) <= {"0", "1"} else None
               for bits in words]  # fmt: skip
        shown = np.flatnonzero(known)
        compare(self.cycle, {f"p{c}": got[c] for c in shown}, {f"p{c}": int(want[c]) for c in shown}, "array")
        self.compared += len(shown)
        self.model.tick(*self._gathered(edge))
        self.cycle += 1
        return np.array([-1 if value is None else value for value in got], np.int64)

    def _gathered(self, edge: EdgeInputs) -> EdgeInputs:
        """What comes to the rows in this cycle; the edge at its end."""
        if self.gather is None:
            return edge
        inputs = dict(zip("xw", edge, strict=True))
        rows = self.gather.comb(inputs)
        self.gather.tick(inputs)
        return rows["x"], rows["w"]

    async def run(self, schedule: Schedule) -> None:
        """All cycles of a schedule; then every sum of every matmul against golden, at its cycle and column."""
        bottom = np.array([await self.step(schedule.edge(cycle)) for cycle in range(schedule.cycles)])
        for cycle, number, n in schedule.results:
            want = schedule.matmuls[number].sums[:, n]
            columns = np.arange(len(want))
            got = bottom[cycle + columns, columns]
            assert (got == want).all(), f"matmul {number}, moving column {n}, row 0's result in cycle {cycle}"


async def bench(dut) -> Bench:
    result = Bench(dut, core())
    await result.start()
    return result


@cocotb.test()
async def random_waves(dut):
    """Ragged K, M, N in any rows, all kinds of numbers, random idle cycles; undefined operands while inactive."""
    b = await bench(dut)
    rng = random.Random(bench_params()["seed"])
    schedule = Schedule(tensor=b.tensor, matmuls=random_matmuls(rng, b.tensor, count=bench_params()["matmuls"]))
    await b.run(schedule)
    assert b.compared > schedule.cycles


@cocotb.test()
async def shortest_swap_period(dut):
    """Full tiles with one column each: the next stationary tile as soon as the contract allows, C/F*(F-2) + 2."""
    b = await bench(dut)
    t = b.tensor
    rng = random.Random(bench_params()["seed"] + 1)
    schedule = Schedule(tensor=t, matmuls=random_matmuls(rng, t, count=12, columns=1, gaps=False))
    period = max(t.columns // t.load_columns * (t.load_columns - 2) + 2, t.columns // t.load_columns)
    assert set(schedule.swap_periods) == {period}
    await b.run(schedule)


@cocotb.test()
async def no_bubbles(dut):
    """Different tiles back to back with N of the shortest swap period: a column in every cycle."""
    b = await bench(dut)
    t = b.tensor
    period = max(t.columns // t.load_columns * (t.load_columns - 2) + 2, t.columns // t.load_columns)
    rng = random.Random(bench_params()["seed"] + 2)
    schedule = Schedule(tensor=t, matmuls=random_matmuls(rng, t, count=8, columns=period, gaps=False))
    cycles = [cycle for cycle, _, _ in schedule.results]
    assert cycles == list(range(cycles[0], cycles[0] + 8 * period))
    await b.run(schedule)


@cocotb.test()
async def phases(dut):
    """Dense, sparse, and pauses after which the array is at rest: with idle clocks, every way in which they stop."""
    b = await bench(dut)
    rng = random.Random(bench_params()["seed"] + 3)
    schedule = Schedule(tensor=b.tensor, matmuls=phased_matmuls(rng, b.tensor, count=9))
    await b.run(schedule)
    assert b.compared > schedule.cycles
