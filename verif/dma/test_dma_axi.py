"""The DMA's bus under an outside judge: cocotbext-axi's memory as slave, pausing at random."""

import itertools
import warnings
from random import Random
from typing import Any

import cocotb
import numpy as np

from makalu.spec.encoding import encode
from makalu.spec.isa import Opcode
from makalu.sw.rtl.params import bench_params
from verif.dma.programs import MEMORY_BYTES, Regions, copy, random_descriptor, rows
from verif.lib.axi import axi_bus
from verif.lib.sampling import reset, start_clock
from verif.lib.variants import bench_config

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own use of what cocotb 2 deprecates
    from cocotbext.axi import AxiBus, AxiRam

from cocotb.triggers import RisingEdge

PARAMS = bench_params()
LIMIT = 100_000


def pauses(rng: Random) -> Any:
    return (rng.random() < 0.3 for _ in itertools.count())


async def send(dut: Any, name: str, program: list[Any]) -> None:
    """One instruction after the other on a command stream."""
    for instruction in program:
        dut[f"sequencer__dma_{name}__payload"].value = int.from_bytes(encode(instruction), "little")
        dut[f"sequencer__dma_{name}__valid"].value = 1
        while True:
            await RisingEdge(dut.clk)
            if int(dut[f"sequencer__dma_{name}__ready"].value):
                break
    dut[f"sequencer__dma_{name}__valid"].value = 0


async def finished(dut: Any, name: str, count: int) -> None:
    for _ in range(LIMIT):
        await RisingEdge(dut.clk)
        count -= int(dut[f"dma__finish_{name}"].value)
        if not count:
            return
    raise AssertionError(f"{count} {name}s have not finished after {LIMIT} cycles")


@cocotb.test()
async def outside_slave(dut: Any) -> None:
    """Loads fill SBUF, stores bring it back, by a slave that we did not write."""
    config = bench_config(PARAMS["config"])
    rng = Random(7)
    image = np.random.default_rng(7).integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    start_clock(dut)
    streams = [f"sequencer__dma_{name}__{port}" for name in ("load", "store") for port in ("valid", "payload")]
    inputs = (*streams, "arbiter__command", "vector_lane__write_data", "scalar_lane__write_data", "tensor_edge__sbuf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ram = AxiRam(axi_bus(AxiBus, dut, "data"), dut.clk, dut.rst, size=MEMORY_BYTES)
    ram.write(0, image.tobytes())
    channels = (ram.write_if.aw_channel, ram.write_if.w_channel, ram.write_if.b_channel)
    for channel in (*channels, ram.read_if.ar_channel, ram.read_if.r_channel):
        channel.set_pause_generator(pauses(rng))
    await reset(dut, dict.fromkeys(inputs, 0))
    await RisingEdge(dut.clk)
    sbuf = np.zeros((config.partitions, config.sbuf.partition_bytes), np.uint8)
    # first everything that loads or stores can touch, so that nothing that is read was never written
    windows = [window for both in Regions(config).sbuf.values() for window in both]
    fill = [fill_descriptor(config, low, high - low) for low, high in windows]
    loads = [*fill, *(random_descriptor(rng, config, Opcode.DMA_LOAD) for _ in range(PARAMS["descriptors"]))]
    stores = [random_descriptor(rng, config, Opcode.DMA_STORE) for _ in range(PARAMS["descriptors"])]
    for name, program in (("load", loads), ("store", stores)):
        sender = cocotb.start_soon(send(dut, name, program))
        await finished(dut, name, len(program))
        await sender
        for instruction in program:
            copy(instruction, sbuf, image)
    np.testing.assert_array_equal(np.frombuffer(ram.read(0, MEMORY_BYTES), np.uint8), image)


def fill_descriptor(config: Any, first: int, count: int) -> Any:
    """Bytes first .. first + count - 1 of every partition from somewhere in memory."""
    return rows(
        Opcode.DMA_LOAD,
        partitions=config.partitions,
        row_bytes=count,
        address=first,
        offset=first,
        pitch=3 * count,
    )
