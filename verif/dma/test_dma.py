"""DMA engine and lanes against the lockstep model, every port in every cycle; results against a plain copy."""

from random import Random
from typing import Any

import cocotb
import numpy as np

from makalu.sim_models.lockstep.dma_bursts import bursts
from makalu.spec.axi import PAGE_BYTES, Response
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import FIELDS, MEMORY_DIMS, Opcode
from makalu.sw.rtl.params import bench_params
from verif.dma.memory_slave import MemorySlave
from verif.dma.programs import MEMORY_BYTES, Regions, copy, far_descriptor, random_descriptor, rows, standing
from verif.dma.sparse_memory import SparseMemory
from verif.dma.tb import DmaBench
from verif.lib.sizes import long_sizes
from verif.lib.variants import bench_config

PARAMS = bench_params()
LIMIT = 60_000
LONG = (1 << 11) - 4
"""Bytes of a row, with all bits of that number that a whole element can have."""
POINTS = (
    "ar waits",
    "aw waits",
    "w waits",
    "r waits",
    "both directions",
    "merges",
    "load queue full",
    "top written",
    "top read",
)
"""What random traffic must show."""


async def prepare(
    dut: Any, *, busy: float, density: float = 1.0, latency: int = 3, whole: bool = False
) -> tuple[DmaBench, Random]:
    """A bench with random contents of SBUF and memory; `whole`: all of SBUF, and all that the bus can address."""
    config = bench_config(PARAMS["config"])
    rng = Random(cocotb.RANDOM_SEED)
    noise = np.random.default_rng(cocotb.RANDOM_SEED)
    memory = noise.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    far = SparseMemory(1 << config.bus.address_bits, seed=cocotb.RANDOM_SEED)
    slave = MemorySlave(config, far if whole else memory, rng, busy=busy, latency=latency)
    bench = DmaBench(dut, config, slave, rng, density=density)
    words = list(range(config.sbuf.words)) if whole else Regions(config).words
    await bench.fill(noise.integers(0, 256, (config.partitions, config.sbuf.partition_bytes), dtype=np.uint8), words)
    return bench, rng


async def check(bench: DmaBench, program: list[Instruction]) -> int:
    """Runs `program`, loads and stores at the same time; then SBUF and memory are as after a plain copy."""
    sbuf, memory = bench.image().copy(), bench.slave.memory.copy()
    before = len(bench.finishes)
    for instruction in program:
        bench.add(instruction)
        copy(instruction, sbuf, memory)
    cycles = await bench.run(limit=LIMIT)
    assert len(bench.finishes) - before == len(program), f"{len(bench.finishes) - before} of {len(program)} finished"
    np.testing.assert_array_equal(bench.image(), sbuf)
    if isinstance(memory, SparseMemory):
        memory.check_equal(bench.slave.memory)
    else:
        np.testing.assert_array_equal(bench.slave.memory, memory)
    return cycles


@cocotb.test()
async def random_descriptors(dut: Any) -> None:
    """Any strides, both directions at once, every channel of the bus stalling."""
    bench, rng = await prepare(dut, busy=0.5)
    program = []
    for _ in range(PARAMS["descriptors"]):
        program += [random_descriptor(rng, bench.config, opcode) for opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE)]
    await check(bench, program)
    cocotb.log.info("seen: %s", dict(bench.seen))
    missing = [point for point in (*POINTS, *PARAMS["points"]) if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"


@cocotb.test()
async def sparse_descriptors(dut: Any) -> None:
    """A bus that never stalls and pauses between descriptors: the idle channel's latencies."""
    bench, rng = await prepare(dut, busy=1.0, density=0.02, latency=0)
    opcodes = (Opcode.DMA_LOAD, Opcode.DMA_STORE)
    await check(bench, [random_descriptor(rng, bench.config, o, most=20) for o in opcodes for _ in range(6)])


@cocotb.test()
async def pages(dut: Any) -> None:
    """Rows across 4 KiB boundaries of memory: two bursts, none across."""
    bench, _ = await prepare(dut, busy=0.7)
    config, regions, program = bench.config, Regions(bench.config), []
    for opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
        low = regions.memory[opcode][0]
        for before in (2, 3, config.bus.data_bytes - 1, 2 * config.bus.data_bytes + 5):
            made = rows(
                opcode,
                partitions=config.partitions,
                row_bytes=2 * config.bus.data_bytes + 6,
                address=low + PAGE_BYTES - before,
                offset=regions.sbuf[opcode][0][0],
                pitch=PAGE_BYTES,
                form=BF16,
            )
            assert any((b.address + b.length) % PAGE_BYTES == 0 for b in bursts(config, made))
            program.append(made)
    await check(bench, program)


@cocotb.test()
async def ragged_offsets(dut: Any) -> None:
    """Every alignment of both sides, rows of every length up to two beats: masks, merges, one and two units."""
    bench, rng = await prepare(dut, busy=0.9)
    config, regions, program = bench.config, Regions(bench.config), []
    unit = config.bus.data_bytes
    for opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
        for n in range(PARAMS["ragged"]):
            form = BF16 if n % 3 else FP32
            program.append(
                rows(
                    opcode,
                    partitions=config.partitions,
                    row_bytes=form.bytes * rng.randint(1, 2 * unit // form.bytes),
                    address=regions.memory[opcode][0] + rng.randrange(2 * unit),
                    offset=regions.sbuf[opcode][0][0] + form.bytes * rng.randrange(unit),
                    pitch=3 * unit + rng.randrange(unit),
                    form=form,
                )
            )
    await check(bench, program)
    assert bench.seen["merges"], "no granule was merged"


@cocotb.test()
async def far_addresses(dut: Any) -> None:
    """From byte 0 to the last that the bus can address, long strides of both signs, SBUF to its last byte."""
    bench, rng = await prepare(dut, busy=0.7, whole=True)
    config, top = bench.config, 1 << bench.config.bus.address_bits
    row = 3 * config.bus.data_bytes + 4
    for opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE):  # one after the other: what is loaded is stored again
        pitch = FIELDS["memory_stride0"].low  # the longest there is, downwards
        edge = {"partitions": config.partitions, "row_bytes": row, "offset": config.sbuf.partition_bytes - row}
        program = [rows(opcode, **edge, address=top - row, pitch=pitch)]
        # a piece is counted off what is left of its row: that is long, and all that is shorter once
        program.append(rows(opcode, partitions=1, row_bytes=LONG, address=top // 2 + 3, offset=row, pitch=0))
        for place in ("top", "bottom", *["middle"] * PARAMS["far"]):
            for last_byte in (True, False):
                program.append(far_descriptor(rng, config, opcode, place=place, last_byte=last_byte))
        strides = [i[f"memory_stride{d}"] for i in program for d in range(MEMORY_DIMS)]
        assert min(strides) < -(1 << 24) and max(strides) > 1 << 24, "strides must be long in both directions"
        await check(bench, program)


async def fail(bench: DmaBench, rng: Random, opcode: Opcode, response: Response) -> None:
    """Good descriptors, one that fails in its middle, another; then the channel works again."""
    name = "load" if opcode == Opcode.DMA_LOAD else "store"
    config, regions = bench.config, Regions(bench.config)
    low = regions.memory[opcode][0]
    good = rows(opcode, partitions=2, row_bytes=16, address=low, offset=regions.sbuf[opcode][0][0], pitch=64)
    lines = 12 + (config.dma.partition_lines if opcode == Opcode.DMA_LOAD else 0)  # more than its lane has room for
    row = lines * config.bus.data_bytes
    broken = rows(
        opcode, partitions=1, row_bytes=row, address=low + 512, offset=regions.sbuf[opcode][0][0] + 128, pitch=0
    )
    chosen = bursts(config, broken)[-2]
    beat = (chosen.address + chosen.length - 1) // config.bus.data_bytes
    bench.slave.bad = {beat: response}
    before = bench.seen.copy()
    for instruction in (good, good, broken, good):
        bench.add(instruction)
    for _ in range(3000):
        await bench.play()
        if bench.seen[f"error_{name}"] > before[f"error_{name}"]:
            break
    assert bench.seen[f"error_{name}"] - before[f"error_{name}"] == 1, "the error was not reported"
    assert bench.seen[f"finish_{name}"] - before[f"finish_{name}"] == 2, "what came before must finish, nothing else"
    assert not bench.held()
    bench.slave.bad = {}
    # what the queue had no room for yet comes now, and must work
    await bench.run(limit=LIMIT)
    await check(bench, [random_descriptor(rng, config, opcode) for _ in range(3)])
    assert bench.seen[f"error_{name}"] - before[f"error_{name}"] == 1, "an error is reported once"


@cocotb.test()
async def read_errors(dut: Any) -> None:
    """SLVERR and DECERR on R: nothing more is written, earlier descriptors finish, one error, alive again."""
    bench, rng = await prepare(dut, busy=0.6)
    for response in (Response.SLVERR, Response.DECERR):
        await fail(bench, rng, Opcode.DMA_LOAD, response)
    assert bench.seen["error waits"], "no error beat had to wait for room in a lane"


@cocotb.test()
async def write_errors(dut: Any) -> None:
    """SLVERR and DECERR on B."""
    bench, rng = await prepare(dut, busy=0.6)
    for response in (Response.SLVERR, Response.DECERR):
        await fail(bench, rng, Opcode.DMA_STORE, response)


@cocotb.test()
async def reset_in_traffic(dut: Any) -> None:
    """A reset while both channels work, on the bus and in the lanes: nothing of it is left, what follows is right."""
    bench, rng = await prepare(dut, busy=0.6)
    both = (Opcode.DMA_LOAD, Opcode.DMA_STORE)
    for _ in range(2):
        for _ in range(4):
            for opcode in both:
                bench.add(random_descriptor(rng, bench.config, opcode))
        wanted = bench.seen["r waits"] + bench.seen["w waits"] + 10
        while bench.seen["r waits"] + bench.seen["w waits"] < wanted or not bench.held():
            await bench.play()
        await bench.restart()
        await check(bench, [random_descriptor(rng, bench.config, o, most=20) for o in both for _ in range(2)])
    assert bench.seen["reset in traffic"] == 2


@cocotb.test()
async def long_sizes_begin(dut: Any) -> None:
    """Each upper bit of a size, in both directions, with a reset after the first elements."""
    bench, rng = await prepare(dut, busy=1.0, latency=0)
    for sizes in long_sizes(rng, every=PARAMS["every_long_size"]):
        for opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
            bench.add(standing(rng, bench.config, opcode, sizes))
        for _ in range(60):
            await bench.play()
        assert bench.held()
        await bench.restart()
