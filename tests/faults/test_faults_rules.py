"""A neighbour that breaks a rule: each assertion named here ends the simulation in that cycle and in none before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

from makalu.hw.dma.aligner import Aligner
from makalu.hw.dma.descriptor import DescriptorQueue
from makalu.hw.dma.load_lane import LoadLane
from makalu.hw.dma.read import ReadChannel
from makalu.hw.dma.store_lane import StoreLane
from makalu.hw.dma.walker import BurstWalker
from makalu.hw.dma.write import WriteChannel
from makalu.hw.lanes.combiner import WriteCombiner
from makalu.hw.lanes.engine import LaneEngine
from makalu.hw.lanes.priority import HeldPriority
from makalu.hw.lanes.stream import SourceStream
from makalu.hw.lib.walker import Walker
from makalu.hw.psum.slice import PsumSlice
from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.hw.sbuf.slice import SbufSlice
from makalu.hw.sequencer.buffer import InstructionBuffer
from makalu.hw.sequencer.fetch import Fetch
from makalu.hw.sequencer.finish import FinishFifo
from makalu.hw.sequencer.queue import IssueQueue
from makalu.hw.sequencer.registers import ControlPort
from makalu.hw.sequencer.run_state import RunState
from makalu.hw.sequencer.semaphores import Semaphores
from makalu.hw.tensor.background import BackgroundUnit
from makalu.hw.tensor.columns import ColumnUnit
from makalu.hw.tensor.edge import TensorEdge
from makalu.hw.tensor.fetch import FetchUnit
from makalu.hw.tensor.head import TensorHead
from makalu.hw.tensor.load import LoadUnit
from makalu.hw.tensor.retire import InOrder
from makalu.spec.background import BACKGROUND_BITS
from makalu.spec.engines import Channel, finish_depth
from makalu.spec.frame import ACCEPT_SLOT
from makalu.spec.isa import Opcode, Queue, Space
from makalu.spec.preset import load_preset
from verif.lib.variants import bench_config

CONFIG = load_preset("tiny")
OF_CORE = {"config": CONFIG}
TURNS = bench_config("background")
OF_TURNS = {"config": TURNS}
P, WORD, BEAT = CONFIG.partitions, CONFIG.sbuf.word_bytes, CONFIG.bus.data_bytes
Cycle = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What a component's neighbours do, cycle after cycle: the last cycle breaks the rule `text`, no other does."""

    component: Callable[..., wiring.Component]
    options: dict[str, Any]
    cycles: Sequence[Cycle]
    text: str
    always: Cycle | None = None
    """Inputs of every cycle that does not say otherwise; all others are 0."""

    def __str__(self) -> str:
        return self.text


def access(**fields: int) -> Cycle:
    return {"valid": 1, "mask": (1 << WORD) - 1, "count": P, **fields}


def command(**fields: int) -> Cycle:
    return {"enable": 1, "mask": (1 << WORD) - 1, "count": P, **fields}


def tile(opcode: Opcode, **fields: int) -> Cycle:
    """A small legal instruction of the tensor engine."""
    ones = {f"{slot}_size{d}": 1 for slot in ("src0", "dst") for d in range(4)}
    return {
        "opcode": opcode,
        "partitions": P,
        "columns": 1,
        "src0_stride0": 1,
        "dst_space": Space.PSUM,
        **ones,
        **fields,
    }


def transfer(**fields: int) -> Cycle:
    sizes = {f"dst_size{d}": 1 for d in range(4)}
    return {"opcode": Opcode.DMA_LOAD, "partitions": 1, "dst_space": Space.SBUF, "dst_stride0": 1, **sizes, **fields}


LINE = {"valid": 1, "line": {"low": 0, "high": BEAT}}
PLAN = {"units_in": 1, "units_out": 2, "high": 1}
WALK = {"start": 1, "sizes": [4, 1, 1, 1], "strides": [[1, 1, 1, 1]]}
BURST = {"row": 8, "contiguous": 1}

PLANTS = [
    Plant(
        component=Walker,
        options={"operands": 1},
        cycles=[WALK, {}, {**WALK, "sizes": [4, 0, 1, 1]}],
        text="a walker starts with sizes of 1 and more",
    ),
    Plant(
        component=Walker,
        options={"operands": 1},
        cycles=[WALK, {"advance": 1, "step": 3}, {"advance": 1, "step": 2}],
        text="a step is 1 to what is left of the row",
    ),
    Plant(
        component=Walker,
        options={"operands": 1},
        cycles=[{**WALK, "strides": [[2, 1, 1, 1]]}, {"advance": 1, "step": 1}, {"advance": 1, "step": 2}],
        text="a step of several elements has stride 1 or ends its row",
    ),
    Plant(
        component=AccessArbiter,
        options=OF_CORE,
        cycles=[{"request": [access(), access()]}, {"request": [{}, {}]}],
        text="a request for SBUF stays as it is until granted",
    ),
    Plant(
        component=AccessArbiter,
        options=OF_CORE,
        cycles=[
            {"owned": 1, "psum_request": [{"valid": 1, "count": P}, {}]},
            {"owned": 1, "psum_request": [{"valid": 1, "count": P, "address": 1}, {}]},
        ],
        text="a request for PSUM stays as it is until granted",
    ),
    Plant(
        component=SbufSlice,
        options=OF_CORE,
        cycles=[{"tensor": {"enable": 1}}, {"tensor": {"enable": 1}, "dma": {"enable": 1}}],
        text="tensor engine and DMA have slots of their own on port B",
    ),
    Plant(
        component=SbufSlice,
        options=OF_CORE,
        cycles=[{"access": [command(), {}]}, {"access": [command(), command(address=1)]}],
        text="one engine a bank of SBUF and cycle",
    ),
    Plant(
        component=SbufSlice,
        options=OF_CORE,
        cycles=[{"access": [command(address=2), {}]}, {"access": [command(write=1, mask=1, address=3), {}]}],
        text="a granule is written partly in the cycle behind the read of its word",
    ),
    Plant(
        component=PsumSlice,
        options=OF_CORE,
        cycles=[
            {"wave_in": {"valid": 1, "columns": P}},
            {
                "wave_in": {"valid": 1, "columns": P, "accumulate": 1, "halves": 3, "address": 5},
                "access": [{"enable": 1, "count": P}, {}],
            },
        ],
        text="no engine reads a bank that the wave reads",
    ),
    Plant(
        component=PsumSlice,
        options=OF_CORE,
        cycles=[{"access": [{"enable": 1, "count": P}, {}]}, {"access": [{"enable": 1, "count": P}] * 2}],
        text="one engine a bank of PSUM and cycle",
    ),
    Plant(
        component=PsumSlice,
        options=OF_CORE,
        cycles=[{"wave_in": {"valid": 1, "columns": 1}}, {"wave_in": {"valid": 1}}],
        text="a wave has a column",
    ),
    Plant(
        component=PsumSlice,
        options=OF_TURNS,
        cycles=[{"background_in": {"valid": 1, "columns": P}}, {}],
        text="there are bits when their destination comes",
    ),
    Plant(
        component=PsumSlice,
        options=OF_TURNS,
        cycles=[
            {"wave_in": {"valid": 1, "columns": P, "halves": 3}},
            *[{}] * (TURNS.psum.add_stages - 1),
            {"background_in": {"valid": 1, "columns": P}},
            {"bits": 1 << BACKGROUND_BITS},
        ],
        text="bits and sums go to banks of their own",
    ),
    Plant(
        component=PsumSlice,
        options=OF_TURNS,
        cycles=[
            {"background_in": {"valid": 1, "columns": P}},
            {"bits": 1 << BACKGROUND_BITS, "access": [{"enable": 1, "count": P}, {}]},
        ],
        text="nor one that bits go to",
    ),
    Plant(
        component=BackgroundUnit,
        options=OF_TURNS,
        cycles=[{"start": 1, "instruction": {"partitions": 1}}] * 2,
        text="a transpose is taken when the one before lets it",
    ),
    Plant(
        component=InOrder,
        options=OF_TURNS,
        cycles=[{"transpose": 1}] * (finish_depth(TURNS, Channel.MATMUL) + 1),
        text="no more are under way than there are places",
    ),
    Plant(
        component=InOrder,
        options=OF_TURNS,
        cycles=[{"matmul": 1}, {"finished": 1}, {"finished": 1}],
        text="what is told was accepted",
    ),
    Plant(
        component=LoadLane,
        options=OF_CORE,
        cycles=[LINE] * (CONFIG.dma.partition_lines + 1),
        text="a line comes only where there is room",
    ),
    Plant(
        component=LoadLane,
        options=OF_CORE,
        cycles=[LINE, {"valid": 1, "line": {"low": 1, "high": 1}}],
        text="a line has a byte",
    ),
    Plant(
        component=StoreLane,
        options=OF_CORE,
        cycles=[{"valid": 1, "request": {"words": 1}}] * 3,
        text="a request comes only where there is room",
    ),
    Plant(component=StoreLane, options=OF_CORE, cycles=[{}, {"pop": 1}], text="only a line that is shown is used"),
    Plant(
        component=DescriptorQueue,
        options={**OF_CORE, "operand": "dst", "readers": 1},
        cycles=[
            {"command.valid": 1, "command.payload": transfer()},
            {"starts.0.ready": 1},
            {"finish": 1},
            {"finish": 1},
        ],
        text="only a descriptor that is there is done",
    ),
    Plant(
        component=DescriptorQueue,
        options={**OF_CORE, "operand": "dst", "readers": 1},
        cycles=[{}, {"command.valid": 1, "command.payload": transfer(dst_partition=P)}],
        text="a transfer has partitions that there are",
    ),
    Plant(
        component=BurstWalker,
        options=OF_CORE,
        cycles=[
            {"start.valid": 1, "start.payload": {"descriptor": {**BURST, "offset": CONFIG.sbuf.partition_bytes - 4}}},
            {},
        ],
        text="a burst stays inside its partition of SBUF",
    ),
    Plant(
        component=BurstWalker,
        options=OF_CORE,
        cycles=[
            {"start.valid": 1, "start.payload": {"descriptor": {**BURST, "row": 0}}},
            {},
        ],
        text="a burst has a byte",
    ),
    Plant(
        component=Aligner,
        options=OF_CORE,
        cycles=[{"burst_valid": 1, "plan": PLAN}, {"burst_valid": 1, "plan": {**PLAN, "low": 0, "shift": 1}}],
        text="a burst and its plan stay until its last step",
    ),
    Plant(
        component=ReadChannel,
        options=OF_CORE,
        cycles=[{}, {"bus.r.valid": 1}],
        text="R comes only for a burst that was asked for",
    ),
    Plant(
        component=WriteChannel,
        options=OF_CORE,
        cycles=[{}, {"bus.b.valid": 1}],
        text="B comes only for a burst that was begun",
    ),
    Plant(
        component=LoadUnit,
        options=OF_CORE,
        cycles=[
            {"start": 1, "slot": ACCEPT_SLOT, "instruction": tile(Opcode.LOAD_STATIONARY)},
            *({"slot": slot} for slot in (0, 1, 2, 3, 0)),
            {"start": 1, "slot": 1, "instruction": tile(Opcode.LOAD_STATIONARY)},
        ],
        text="a load starts when it may, in its slot",
    ),
    Plant(
        component=FetchUnit,
        options=OF_CORE,
        cycles=[{"start": 1, "instruction": tile(Opcode.MATMUL)}] * 2,
        text="a matmul is taken when the one before has been fetched",
    ),
    Plant(
        component=ColumnUnit,
        options=OF_CORE,
        cycles=[{"push": 1, "segment": {"length": 1}}] * (CONFIG.tensor.moving_buffers + 1),
        text="a word is read only into a line buffer that is free",
    ),
    Plant(
        component=TensorEdge,
        options=OF_CORE,
        cycles=[
            {"control_in": {"read": {"enable": 1, "moving": 1, "buffer": 1, "count": P}}},
            {"control_in": {"column": {"valid": 1, "buffer": 1}}},
        ],
        text="no word arrives in a buffer that is sent from",
    ),
    Plant(
        component=TensorHead,
        options=OF_CORE,
        cycles=[
            {"command.valid": 1, "command.payload": tile(Opcode.MATMUL)},
            *({"frame": n} for n in range(12)),
            {"command.valid": 1, "command.payload": tile(Opcode.MATMUL, dst_partition=1)},
        ],
        text="a matmul writes a tile of columns",
    ),
    Plant(
        component=TensorHead,
        options=OF_CORE,
        cycles=[{}, {"command.valid": 1, "command.payload": tile(Opcode.TENSOR_COPY)}],
        text="only these four come",
    ),
    Plant(
        component=FinishFifo,
        options={"depth": 2, "address_bits": 8},
        cycles=[{"push": 1}] * 3,
        text="an instruction issues only where its channel has room",
    ),
    Plant(
        component=InstructionBuffer, options=OF_CORE, cycles=[{}, {"read": 1}], text="only a whole instruction is read"
    ),
    Plant(
        component=Fetch,
        options=OF_CORE,
        cycles=[{}, {"bus.r.valid": 1}],
        text="a beat comes only for a fetch that is open",
    ),
    Plant(
        component=Fetch,
        options=OF_CORE,
        cycles=[{"running": 1, "bus.ar.ready": 1}, {}, {"bus.r.valid": 1, "bus.r.last": 1}],
        text="RLAST comes with an instruction's last beat",
    ),
    Plant(
        component=IssueQueue,
        options={**OF_CORE, "queue": Queue.VECTOR},
        cycles=[{"push": 1}] * 3,
        text="an instruction that is decoded has a place",
        always={"channel_empty": 1},
    ),
    Plant(
        component=ControlPort,
        options=OF_CORE,
        cycles=[{"bus.aw.valid": 1, "bus.aw.addr": 8}, {"bus.aw.valid": 1, "bus.aw.addr": 12}],
        text="the host's AW stays until it is taken",
    ),
    Plant(
        component=RunState,
        options={},
        cycles=[{"running": 3, "halted": 4}, {"running": 3, "halted": 2}],
        text="one state a queue",
    ),
    Plant(
        component=Semaphores,
        options={**OF_CORE, "waits": 1, "signals": 2},
        cycles=[
            {"signal": [{"valid": 1, "semaphore": CONFIG.sequencer.semaphores - 1}, {}]},
            {"signal": [{"valid": 1, "semaphore": CONFIG.sequencer.semaphores}, {}]},
        ],
        text="only a semaphore that there is is signalled",
    ),
    Plant(
        component=WriteCombiner,
        options=OF_CORE,
        cycles=[{}, {"granted": 1}],
        text="only a write that is asked for is granted",
    ),
    Plant(
        component=SourceStream,
        options={**OF_CORE, "slot": "src0"},
        cycles=[{}, {"pop": 1}],
        text="only an element that is there is popped",
    ),
    Plant(
        component=HeldPriority,
        options={"count": 2},
        cycles=[{"want": 1}, {"want": 2}],
        text="what is chosen asks until it is granted",
    ),
    Plant(
        component=LaneEngine,
        options={**OF_CORE, "engine": "vector"},
        cycles=[{}, {"command.valid": 1, "command.payload": tile(Opcode.MATMUL, dst_space=Space.SBUF)}],
        text="vector gets instructions that it has a program for",
    ),
]


def _member(component: Any, path: str) -> Any:
    for name in path.split("."):
        component = component[int(name)] if name.isdigit() else getattr(component, name)
    return component


def run(plant: Plant, cycles: Sequence[Cycle]) -> None:
    dut = plant.component(**plant.options)
    paths = dict.fromkeys(path for cycle in (plant.always or {}, *cycles) for path in cycle)
    ports = {path: _member(dut, path) for path in paths}

    async def bench(ctx: Any) -> None:
        for cycle in cycles:
            for path, port in ports.items():
                given = ((plant.always or {}) | cycle).get(path)
                if given is None:
                    ctx.set(Value.cast(port), 0)
                elif isinstance(port, data.View):
                    ctx.set(port, given)
                else:
                    ctx.set(port, int(given))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_neighbour_that_breaks_a_rule_is_caught(plant):
    run(plant, plant.cycles[:-1])
    with pytest.raises(AssertionError, match=f"Assertion violated: {plant.text}"):
        run(plant, plant.cycles)
