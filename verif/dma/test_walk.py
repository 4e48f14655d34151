"""The bursts of descriptors, one after the other, are the model's, long ones to their end."""

from collections.abc import Iterator
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from makalu.hw.dma.layouts import burst
from makalu.sim_models.lockstep.dma_bursts import bursts
from makalu.spec.encoding import Instruction, encode
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.isa import AP_DIMS, FIELDS, Opcode
from makalu.sw.rtl.params import bench_params
from verif.dma.programs import far_descriptor
from verif.lib.pack import unpack
from verif.lib.sampling import drive, known, reset, sample, start_clock
from verif.lib.variants import bench_config

PARAMS = bench_params()
CONFIG = bench_config(PARAMS["config"])
LAYOUT = burst(CONFIG)
IDLE = {"command__valid": 0, "command__payload": 0, "bursts__ready": 0}


def expected(program: list[Instruction]) -> Iterator[dict[str, int]]:
    """Fields of each burst, in order; a descriptor has the slots of the queue in turn."""
    for n, instruction in enumerate(program):
        for each in bursts(CONFIG, instruction):
            yield {**each._asdict(), "slot": n % CONFIG.dma.queue}


async def run(dut: Any, program: list[Instruction], rng: Random, *, pause: float) -> None:
    """All bursts of the program, none changed while it waits, none behind the last; descriptors are taken while there
    is a place.
    """
    start_clock(dut)
    await reset(dut, IDLE)
    left = [int.from_bytes(encode(each), "little") for each in program]
    offered, held, full = False, 0, 0
    for number, want in enumerate(expected(program)):
        waited = 0
        while True:
            if left and not offered and rng.random() >= pause:
                offered = True
                drive(dut, {"command__valid": 1, "command__payload": left[0]})
            ready = rng.random() >= pause
            dut.bursts__ready.value = ready
            await RisingEdge(dut.clk)  # what is read now was there before the edge
            valid, has_place = known(dut.bursts__valid), known(dut.command__ready)
            assert has_place == (held < CONFIG.dma.queue), f"{held} descriptors are held, ready is {has_place}"
            full += not has_place
            accepted = offered and has_place
            held += accepted
            if accepted:
                del left[0]
                offered = False
                dut.command__valid.value = 0
            if valid:
                got = unpack(LAYOUT, dut.bursts__payload.value.to_unsigned())
                assert got == want, f"burst {number}: {got}, must be {want}"
                if ready:
                    held -= want["last"]
                    break
            else:
                waited += 1
                assert waited < 40, f"burst {number} never came"
    dut.bursts__ready.value = 1
    for _ in range(10):
        await RisingEdge(dut.clk)
        assert sample(dut, ("bursts__valid",)) == {"bursts__valid": 0}, "a burst too many"
    assert not left and full


def mirrored(load: Instruction) -> Instruction:
    """The same elements of SBUF, dimension 0 from its other end."""
    stride, size = load["dst_stride0"], FORMAT_OF_CODE[load["dst_dtype"]].bytes
    offset = load["dst_offset"] + (load["dst_size0"] - 1) * stride * size
    return Instruction(load.opcode, {**load.values, "dst_stride0": -stride, "dst_offset": offset})


@cocotb.test()
async def far_descriptors(dut: Any) -> None:
    """Long strides of either sign, any shape, at both ends of the bus and between; pauses on both sides."""
    rng = Random(cocotb.RANDOM_SEED)
    places = ("top", "middle", "bottom")
    program = [
        far_descriptor(rng, CONFIG, Opcode.DMA_LOAD, place=rng.choice(places), last_byte=rng.random() < 0.5)
        for _ in range(PARAMS["descriptors"])
    ]
    await run(dut, program, rng, pause=0.2)


@cocotb.test()
async def long_descriptors(dut: Any) -> None:
    """Each bit of each dimension's size up to `longest`, with random bits below."""
    rng, program = Random(cocotb.RANDOM_SEED), []
    for d in range(AP_DIMS):
        for bit in range(PARAMS["longest"]):
            sizes = [rng.randint(1, 2) for _ in range(AP_DIMS)]
            sizes[d] = (1 << bit) + rng.getrandbits(bit)
            made = far_descriptor(rng, CONFIG, Opcode.DMA_LOAD, place="middle", sizes=sizes)
            program.append(mirrored(made) if rng.random() < 0.5 else made)
    assert max(each["dst_size3"] for each in program).bit_length() == PARAMS["longest"] < FIELDS["dst_size3"].bits
    await run(dut, program, rng, pause=0)
