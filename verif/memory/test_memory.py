"""`memory.v` against its model at every cycle, and cocotbext-axi's masters as users and judges of the protocol."""

import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiBus, AxiMaster, AxiMasterRead, AxiReadBus, AxiResp

from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.axi import BURST_INCR, Response
from makalu.spec.memory import MemoryTiming
from makalu.sw.rtl.params import bench_params
from verif.lib.axi import axi_bus
from verif.lib.sampling import known

PARAMS = bench_params()
SIZE, BEAT, WORD = PARAMS["size"], PARAMS["data_bytes"], PARAMS["instruction_bytes"]
CYCLES = 4000
INPUTS = {
    "data__aw": ("valid", "addr", "len", "size", "burst", "id"),
    "data__w": ("valid", "data", "strb", "last"),
    "data__b": ("ready",),
    "data__ar": ("valid", "addr", "len", "size", "burst", "id"),
    "data__r": ("ready",),
    "instructions__ar": ("valid", "addr", "len", "size", "burst", "id"),
    "instructions__r": ("ready",),
}
PAYLOADS = {
    "data__b": ("resp", "id"),
    "data__r": ("data", "resp", "last", "id"),
    "instructions__r": ("data", "resp", "last", "id"),
}
READIES = ("data__aw", "data__w", "data__ar", "instructions__ar")


def image():
    return np.frombuffer(Path(PARAMS["image"]).read_bytes(), np.uint8).copy()


async def start(dut):
    for channel, names in INPUTS.items():
        for name in names:
            dut[f"{channel}__{name}"].value = 0
    dut.dump.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 2, unit="ns").start()
    for _ in range(4):
        await RisingEdge(dut.clk)


class Stimulus:
    """A master's side, at random: valid with its payload holds until ready; W goes with what AW announced."""

    def __init__(self, rng):
        self.rng = rng
        self.pressure = 0.5
        self.inputs = {f"{channel}__{name}": 0 for channel, names in INPUTS.items() for name in names}
        self.w_beats = []

    def address(self, beat_bytes, exact):
        full = beat_bytes.bit_length() - 1
        address = self.rng.randrange(0, SIZE + 2 * beat_bytes)
        return {
            "addr": address & -beat_bytes if self.rng.random() < 0.8 else address,
            "len": self.rng.choice((0, 1, 3, self.rng.randrange(16))),
            "size": full if exact or self.rng.random() < 0.95 else full - 1,
            "burst": BURST_INCR if exact or self.rng.random() < 0.95 else 0,
            "id": self.rng.randrange(16),
        }

    def channel(self, name, payload):
        if not self.inputs[f"{name}__valid"] and self.rng.random() < self.pressure:
            self.inputs[f"{name}__valid"] = 1
            self.inputs.update({f"{name}__{key}": value for key, value in payload().items()})

    def write_beat(self):
        last = self.w_beats.pop(0)
        return {"data": self.rng.getrandbits(8 * BEAT), "strb": self.rng.getrandbits(BEAT), "last": last}

    def advance(self, outputs):
        """Inputs of the next cycle, given the outputs of the one that ends."""
        taken = {name for name in READIES if outputs[f"{name}__ready"] and self.inputs[f"{name}__valid"]}
        if "data__aw" in taken:
            length = self.inputs["data__aw__len"]
            beats = [0] * length + [1]
            if self.rng.random() < 0.02:
                beats[-1] = 0  # a wrong WLAST
            self.w_beats += beats
        for name in taken:
            self.inputs[f"{name}__valid"] = 0
        if self.rng.random() < 0.01:
            self.pressure = self.rng.choice((0.1, 0.5, 1.0))
        self.channel("data__aw", lambda: self.address(BEAT, False))
        self.channel("data__ar", lambda: self.address(BEAT, False))
        self.channel("instructions__ar", lambda: self.address(WORD, False))
        if self.w_beats:
            self.channel("data__w", self.write_beat)
        for name in ("data__b", "data__r", "instructions__r"):
            self.inputs[f"{name}__ready"] = int(self.rng.random() < max(self.pressure, 0.3))
        return self.inputs


@cocotb.test()
async def every_port_every_cycle(dut):
    await start(dut)
    memory = image()
    timing = MemoryTiming(**PARAMS["timing"])
    model = FixedMemory(memory=memory, timing=timing, data_bytes=BEAT, instruction_bytes=WORD)
    stimulus = Stimulus(random.Random(cocotb.RANDOM_SEED))
    inputs = dict(stimulus.inputs)
    dut.rst.value = 0
    await Timer(1, unit="ns")
    counts = dict.fromkeys(("data__r", "data__b", "instructions__r", "errors", "both", "one"), 0)
    for cycle in range(CYCLES):
        await RisingEdge(dut.clk)
        expected = model.comb(inputs)
        for name, value in expected.items():
            channel, _, signal = name.rpartition("__")
            if signal in ("ready", "valid") or expected[f"{channel}__valid"]:
                seen = known(dut[name])
                assert seen is not None, f"cycle {cycle}: {name} is {dut[name].value}"
                assert seen == value, f"cycle {cycle}: {name} is {seen:x}, not {value:x}"
        for channel in PAYLOADS:
            fired = expected[f"{channel}__valid"] and inputs[f"{channel}__ready"]
            counts[channel] += fired
            counts["errors"] += fired and expected[f"{channel}__resp"] == Response.SLVERR
        wanted = model.reader.want(model.cycle) and inputs["data__w__valid"] and bool(model.writes)
        counts["both" if sum(model._grants(inputs)) == 2 else "one"] += bool(wanted)
        model.tick(inputs)
        inputs = dict(stimulus.advance(expected))
        for name, value in inputs.items():
            dut[name].value = value
    cocotb.log.info("seen: %s", counts)
    assert counts["data__r"] > 50 and counts["data__b"] > 20 and counts["instructions__r"] > 50
    assert counts["errors"] > 5 and (counts["both"] + counts["one"] > 20)
    for name in inputs:
        dut[name].value = 0
    dut.dump.value = 1
    await RisingEdge(dut.clk)
    dut.dump.value = 0
    await RisingEdge(dut.clk)
    # the last cycle's inputs made one more edge than the model saw
    model.tick(inputs)
    dumped = np.frombuffer(Path(PARAMS["dump"]).read_bytes(), np.uint8)
    assert np.array_equal(dumped, memory)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def an_outside_master_reads_what_it_wrote(dut):
    """cocotbext-axi, which knows nothing of the model: bursts of all lengths, the same bytes on both ports."""
    await start(dut)
    data = AxiMaster(axi_bus(AxiBus, dut, "data"), dut.clk, dut.rst)
    instructions = AxiMasterRead(axi_bus(AxiReadBus, dut, "instructions"), dut.clk, dut.rst)
    dut.rst.value = 0
    rng = random.Random(cocotb.RANDOM_SEED)
    for _ in range(30):
        length = rng.randrange(1, 40) * BEAT
        place = rng.randrange(0, SIZE - length)
        payload = rng.randbytes(length)
        written = await data.write(place, payload)
        assert written.resp == AxiResp.OKAY
        for port in (data, instructions):
            read = await port.read(place, length)
            assert read.resp == AxiResp.OKAY and bytes(read.data) == payload
    outside = await data.write(SIZE, bytes(BEAT))
    assert outside.resp == AxiResp.SLVERR
    assert (await data.read(SIZE - BEAT, 2 * BEAT)).resp == AxiResp.SLVERR
    assert (await instructions.read(SIZE, WORD)).resp == AxiResp.SLVERR
    assert (Response.OKAY, Response.SLVERR) == (int(AxiResp.OKAY), int(AxiResp.SLVERR))
