"""Tensor engine against its lockstep models: every port in every cycle, and the sums against the golden machine."""

import random
from typing import Any

import cocotb
import numpy as np

from makalu.sim_models.golden.check import check
from makalu.sim_models.golden.tensor import GoldenTensor
from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.formats import BF16, E5M2
from makalu.spec.isa import AP_DIMS, Opcode, Queue, Space
from makalu.spec.quads import QUADS
from makalu.spec.sparsity import RATIO_LIMIT, deskew
from makalu.sw.rtl.params import bench_params
from verif.lib.golden import golden_memories
from verif.lib.sizes import long_sizes
from verif.lib.variants import bench_config
from verif.tensor.elements import special_elements
from verif.tensor.programs import (
    SBUF_WINDOW,
    Command,
    back_to_back,
    load,
    longest,
    matmul,
    returning,
    scale_window,
    streams_without_bubbles,
    warm_up,
)
from verif.tensor.random_programs import between, hazards, ragged
from verif.tensor.sparse_programs import bad_load, memory, mixed, sparse_pairs
from verif.tensor.tb import TensorBench

PARAMS = bench_params()
STREAMS = PARAMS["streams"]
"""Of those without a bubble, so many; all of them run on the models in tests/tensor/test_tensor_bubbles.py."""
CONFIG = bench_config(PARAMS["config"])
COMMANDS = PARAMS["commands"]


async def started(dut: Any) -> TensorBench:
    bench = TensorBench(dut, CONFIG, random.Random(cocotb.RANDOM_SEED))
    await bench.fill()
    return bench


class Golden:
    """The golden tensor engine on copies of the memories that the models hold now."""

    def __init__(self, bench: TensorBench) -> None:
        self.reports: list[str] = []
        self.memories = golden_memories(bench.model.sbuf, bench.model.psum, report=self.reports.append)
        sbuf, psum = self.memories[Space.SBUF], self.memories[Space.PSUM]
        self.engine = GoldenTensor(config=CONFIG, sbuf=sbuf, psum=psum, report=self.reports.append)
        self.engine.load_stationary(warm_up(CONFIG)[0].instruction)
        if bench.model.psum.generators is not None:
            self.engine.generators.state[:] = bench.model.psum.generators.state

    def run(self, commands: list[Command]) -> None:
        for command in commands:
            instruction = command.instruction
            violation = check(instruction, Queue.TENSOR, CONFIG)
            assert violation[0] == 0, violation
            if instruction.opcode == Opcode.LOAD_STATIONARY:
                self.engine.load_stationary(instruction)
            elif instruction.opcode == Opcode.LOAD_SPARSE:
                self.engine.load_sparse(instruction)
            elif instruction.opcode == Opcode.TRANSPOSE:
                self.engine.transpose(instruction)
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
    points = ("swap", "stalled", "load waits", "matmul waits", "accumulate", "overwrite", "tile of columns")
    points += ("tiles apart",)
    points += ("bf16 by random bits",) * CONFIG.stochastic_sums
    points += ("half a word",) * CONFIG.tensor.halves + ("pairs",) * (CONFIG.tensor.products > 1)
    points += ("quads",) * bool(CONFIG.tensor.quads) + ("moved columns", "moved weights") * CONFIG.cfp8
    points += ("turn", "bits beside columns", "transpose waits") * bool(CONFIG.tensor.background)
    assert not missing(bench, points)


@cocotb.test()
async def transposes_beside_matmuls(dut: Any) -> None:
    """Long and one-column matmuls around transposes, in the same bank and in others; without a chain nothing."""
    if not CONFIG.tensor.background:
        return
    bench = await started(dut)
    await against_golden(bench, between(CONFIG, bench.rng, turns=COMMANDS // 5))
    assert not missing(bench, ("bits beside columns", "told late", "matmul waits for bits", "transpose waits"))


@cocotb.test()
async def sparse_tiles(dut: Any) -> None:
    """Tiles with tags, of every ratio and type, among those of all other modes; where there are none, nothing."""
    if not CONFIG.tensor.sparse:
        return
    bench = await started(dut)
    await bench.place(0, memory(CONFIG, np.random.default_rng(cocotb.RANDOM_SEED)))
    bench.dma_reads = 0.2
    await against_golden(bench, mixed(CONFIG, bench.rng, commands=COMMANDS))
    # words of 8 bytes are used up sooner than they come
    points = ("candidates", "swap", "stalled", *("all buffers held",) * (CONFIG.sbuf.word_bytes > 8))
    assert not missing(bench, (*points, "load waits", "matmul waits", "accumulate", "overwrite"))


@cocotb.test()
async def tags_out_of_range(dut: Any) -> None:
    """A load with a bad tag, in any place of it, between others: it and what is behind it write nothing, and when the
    engine has come to rest it does what it did before. Where there are no tags, nothing.
    """
    if not CONFIG.tensor.sparse:
        return
    bench = await started(dut)
    await bench.place(0, memory(CONFIG, np.random.default_rng(cocotb.RANDOM_SEED)))
    faults = 0
    while faults < COMMANDS // 10:
        legal = mixed(CONFIG, bench.rng, commands=bench.rng.randint(0, 6))
        await against_golden(bench, mixed(CONFIG, bench.rng, commands=3))
        bad = bad_load(CONFIG, bench.rng)
        await bench.place(bad.word, bad.rows)
        golden = Golden(bench)
        await bench.run([*legal, *bad.commands])
        golden.run(legal)
        wrong = np.argwhere(bench.model.psum.memory != golden.memories[Space.PSUM].data.view("<u4"))
        assert not len(wrong), f"{len(wrong)} sums behind a fault, first at [partition, element] {wrong[0]}"
        faults += 1
    assert len(bench.finishes["error_load"]) >= faults and bench.finishes["error_matmul"], bench.finishes


@cocotb.test()
async def destinations_that_return(dut: Any) -> None:
    """Short accumulating matmuls on few addresses: every sum arrives, none overtakes."""
    bench = await started(dut)
    await against_golden(bench, hazards(CONFIG, bench.rng, commands=COMMANDS))
    await against_golden(bench, returning(CONFIG, bench.rng, pairs=COMMANDS // 4))
    points = ("stalled", "accumulate", *("bf16 added",) * CONFIG.tensor.rounds)
    assert not missing(bench, (*points, "all buffers held"))


@cocotb.test()
async def every_special_operand(dut: Any) -> None:
    """Zeros, subnormals, both ends, infinities and NaNs of each type, moving and stationary, each part of them;
    fp8 with moved biases too.

    What the edges make of them is compared; partitions have other ones, so all of them come in few columns.
    """
    bench = await started(dut)
    tensor, word = CONFIG.tensor, CONFIG.sbuf.word_bytes
    rows, columns = tensor.rows, tensor.columns
    for form in tensor.operands:
        quad = form in tensor.quads
        special = special_elements(form)
        many = -(-len(special) // (rows * columns))
        tiles = np.resize(special, (many, columns, rows)).transpose(2, 0, 1)
        step = -(-columns * form.bytes // word) * word
        padded = np.zeros((rows, many, step), np.uint8)
        padded[:, :, : columns * form.bytes] = np.ascontiguousarray(tiles).view(np.uint8)
        await bench.place(0, padded.reshape(rows, -1))
        tile = {"start": 0, "count": rows, "columns": columns, "form": form}
        tile |= {"scales": (scale_window(CONFIG), 0)} if quad else {}
        still = {"dst": 0, "dst_strides": (0, 0, 0, 0)}
        moving = {"moving": 0, "sizes": (columns, many, 1, 1), "moving_strides": (1, step // form.bytes, 0, 0)}
        kinds = [{"part": part} for part in range(1 if quad else tensor.parts + 1)]
        if CONFIG.cfp8 and form in OFFSETTABLE:
            kinds += [{"moved": moved} for moved in (-OFFSETS, -1, OFFSETS - 1)]
        for kind in kinds:
            loads = [Command(load(offset=n * step, **kind, **tile)) for n in range(many)]
            if quad:  # of one dimension each
                own = moving | still | {"sizes": (columns, 1, 1, 1)} | tile
                await bench.run([*loads, *(Command(matmul(**own | {"moving": n * step})) for n in range(many))])
                continue
            await bench.run([*loads, Command(matmul(**kind, **moving, **still, **tile))])


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
    chain = 1 + deskew(tensor) + tensor.mul_stages + tensor.rows * tensor.add_stages
    last_commit = bench.columns[-1] + chain + tensor.columns - 1 + CONFIG.psum.add_stages
    assert bench.finishes["finish_matmul"] == [last_commit]
    # from the load to the last commit, both included: N + S + R*L + (C-1) + c0
    constant = 6 + CONFIG.psum.add_stages + deskew(tensor)
    spent = 4 + tensor.mul_stages + tensor.rows * tensor.add_stages + tensor.columns - 1 + constant
    assert last_commit - load.cycle + 1 == spent


def _some(many: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """`count` of these, or all, as far apart as they are."""
    return many[:: max(1, -(-len(many) // count))]


@cocotb.test()
async def tiles_back_to_back(dut: Any) -> None:
    """A column in every cycle between the first and the last, with another stationary tile each time."""
    bench = await started(dut)
    streams = {form: streams_without_bubbles(CONFIG, form) for form in CONFIG.tensor.singles}
    runs = [(BF16, *run, None) for run in _some(streams.pop(BF16), STREAMS)]
    # a word of 8 bytes is too short for a stream of 4-byte elements
    runs += [(form, *run, None) for form, many in streams.items() for run in _some(many, -(-STREAMS // 3))]
    if CONFIG.tensor.products > 1:
        pairs = streams_without_bubbles(CONFIG, E5M2, 2)
        runs += [(E5M2, *run, SBUF_WINDOW // 2) for run in _some(pairs, STREAMS)]
    # scales are read behind a load and before the next one, so a matmul must be longer
    runs += [(form, free, 0, None) for form in CONFIG.tensor.quads for free in (48, 64)]
    for form, free, offset, rows in runs:
        del bench.columns[:]
        await bench.run(
            back_to_back(CONFIG, pairs=4, free=free, offset=offset, form=form, rows=rows, scaled=form in QUADS)
        )
        later = bench.columns[free - 1 :]  # an unaligned first word is short, and nothing is there to hide it
        bubbles = later[-1] - later[0] + 1 - len(later)
        where = f"{form.name}, N={free}, offset {offset}, rows {rows} apart"
        assert len(bench.columns) == 4 * free and bubbles == 0, f"{where}: {bubbles} bubbles"
    # of words of 8 bytes four a frame are wanted
    ratios = range(1, RATIO_LIMIT + 1) if CONFIG.tensor.sparse and CONFIG.sbuf.word_bytes > 8 else ()
    if ratios:
        await bench.place(0, memory(CONFIG, np.random.default_rng(cocotb.RANDOM_SEED)))
    kinds = [(BF16, 64), (E5M2, 96)]
    for ratio in ratios:
        # one type of each ratio, where there are no more streams than ratios
        for form, free in kinds if STREAMS > len(ratios) else kinds[ratio % 2 :][:1]:
            del bench.columns[:]
            await bench.run(sparse_pairs(CONFIG, pairs=4, free=free, ratio=ratio, form=form))
            bubbles = bench.columns[-1] - bench.columns[0] + 1 - 4 * free
            assert bubbles == 0, f"{form.name} in sparse, ratio {ratio}, N={free}: {bubbles} bubbles"
    assert not missing(bench, ("swap", "load overlaps columns"))


@cocotb.test()
async def reset_in_traffic(dut: Any) -> None:
    """A reset while columns, words and finishes are on their way: none of them comes out; sums are right afterwards."""
    bench = await started(dut)
    for _ in range(4):
        await bench.warm_up()  # what follows begins with its tile, not with one of another mode
        await bench.run(hazards(CONFIG, bench.rng, commands=40), until=bench.cycle + bench.rng.randint(50, 100))
        assert (await bench.step(bench.idle()))["active"]
        await bench.restart()
        await bench.warm_up()
        await against_golden(bench, ragged(CONFIG, bench.rng, commands=6))
    assert not missing(bench, ("reset in traffic",))


@cocotb.test()
async def long_sizes_begin(dut: Any) -> None:
    """Each upper bit of a size, with a reset after the first columns."""
    bench = await started(dut)
    for sizes in long_sizes(bench.rng, every=PARAMS["every_long_size"]):
        await bench.run([longest(CONFIG, tuple(sizes))], until=bench.cycle)
        for _ in range(20):
            await bench.step(bench.idle())
        assert bench.columns[-1] > bench.accepted[-1].cycle + 10, "few columns were sent"
        await bench.restart()


@cocotb.test()
async def long_sizes_end(dut: Any) -> None:
    """An upper bit in each size (in one of the outer ones, where few long sizes are wanted), walked to its end: a row
    that lies side by side, and columns that stand still.
    """
    bench = await started(dut)
    row = (SBUF_WINDOW // BF16.bytes - CONFIG.sbuf.word_bytes, 1, 1, 1)
    tile = {"start": 0, "count": CONFIG.tensor.rows, "columns": CONFIG.tensor.columns}
    strides = {"moving_strides": (1, 0, 0, 0), "dst_strides": (0,) * AP_DIMS}
    await bench.run([Command(matmul(moving=0, dst=0, sizes=row, **strides, **tile))])
    outer = range(1, AP_DIMS)
    for d in outer if PARAMS["every_long_size"] == 1 else [bench.rng.choice(outer)]:
        sizes = [1] * AP_DIMS
        sizes[d] = 256 + bench.rng.randrange(64)
        await bench.run([longest(CONFIG, tuple(sizes))])
        await bench.run(back_to_back(CONFIG, pairs=1, free=16))
