"""RTL and models of both engines side by side; every port is compared in every cycle, memories at the end."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from makalu.hw.psum.layouts import wave
from makalu.sim_models.golden.elementwise import GoldenElementwise
from makalu.sim_models.golden.memory import PartitionedMemory
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.lane_engine import LaneEngineModel
from makalu.sim_models.lockstep.lanes import LanesModel
from makalu.sim_models.lockstep.psum import PsumModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from makalu.spec.isa import Space
from makalu.spec.memory_map import ENGINES
from verif.lib.compare import after, compare
from verif.lib.lane_programs import corner_values
from verif.lib.pack import pack
from verif.lib.sampling import drive, reset, start_clock
from verif.psum.chain import chain_word
from verif.vector.ports import NAMES, LanePorts

__all__ = ["LanesBench"]

DRAIN = 8
"""Cycles after the last finish: nothing may happen any more."""


class LanesBench:
    """Fills the memories, runs a list of instructions a engine, compares, counts what happened in `seen`."""

    def __init__(self, dut: Any, config: CoreConfig, rng: Random, *, window: int) -> None:
        self.dut, self.config, self.rng, self.window = dut, config, rng, window
        self.arbiter, self.sbuf, self.psum = AccessArbiterModel(config), SbufModel(config), PsumModel(config)
        self.engines = [LaneEngineModel(config, engine=name) for name in NAMES]
        self.lanes = [LanesModel(config) for _ in NAMES]
        self.ports = LanePorts(dut, config)
        self.layout = self.ports.layout
        self.seen: Counter[str] = Counter()
        self.durations: list[list[int]] = [[] for _ in NAMES]
        self._tags: dict[str, int] = {}
        count = config.partitions
        self.idle_dma = {
            **{name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")},
            "data": np.zeros((count, config.sbuf.word_bytes), np.uint8),
        }
        self.idle_tensor = {name: np.zeros(count, np.int64) for name in ("enable", "address")}
        self.idle_wave = dict.fromkeys(("valid", "address", "accumulate", "columns"), 0)

    # memories: the same words in RTL, lockstep models and golden memories

    async def fill(self) -> None:
        """Sources: any element; the whole of PSUM; the destinations too, so that merges are defined."""
        config, sbuf, psum = self.config, self.config.sbuf, self.config.psum
        values = np.random.default_rng(self.rng.getrandbits(32))
        words = [b * sbuf.bank_words + i for b in range(sbuf.banks) for i in range(2 * self.window // sbuf.word_bytes)]
        shape = (config.partitions, sbuf.words * sbuf.word_bytes // 4)
        content = (
            often_near(values, corner_values(values, shape))
            .view(np.uint8)
            .reshape(config.partitions, -1, sbuf.word_bytes)
        )
        elements = often_near(values, corner_values(values, (config.partitions, psum.banks * psum.bank_elems)))
        is_nan = (elements & 0x7FFFFFFF) > 0x7F800000
        elements = np.where(is_nan, np.uint32(0x7FC00000), elements)  # the only NaN that PSUM can hold
        columns = [[chain_word(int(v), self.rng) for v in row] for row in elements]
        count, skew = elements.shape[1], config.partitions + psum.add_stages + 2
        for cycle in range(max(len(words), count + skew)):
            dma = dict(self.idle_dma)
            if cycle < len(words):
                word = words[cycle]
                everyone = np.ones(config.partitions, np.int64)
                whole = (1 << sbuf.word_bytes // 4) - 1
                dma = {"enable": everyone, "write": everyone, "address": word * everyone, "granules": whole * everyone}
                dma["data"] = content[:, word]
                self.sbuf.memory[:, word], self.sbuf.known[:, word] = content[:, word], True
            moving = dict(self.idle_wave)
            if cycle < count:
                moving = {"valid": 1, "address": cycle, "accumulate": 0, "columns": config.partitions}
            at_column = [cycle - 1 - p for p in range(config.partitions)]
            chain = [columns[p][d] if 0 <= d < count else 0 for p, d in enumerate(at_column)]
            drive(self.dut, self._memory_inputs(dma, moving, chain))
            await RisingEdge(self.dut.clk)
            self._idle_tick()
        self.psum.memory[:], self.psum.known[:] = elements, True
        drive(self.dut, self._memory_inputs(self.idle_dma, self.idle_wave, [0] * config.partitions))

    def _idle_tick(self) -> None:
        for engine in self.engines:
            engine.tick({"command": None, "grant": 0, "psum_grant": 0})

    def _memory_inputs(self, dma: dict[str, Any], moving: dict[str, int], chain: list[int]) -> dict[str, int]:
        rows = range(self.config.partitions)
        return {
            "dma": pack(self.layout["dma"], [{name: value[p] for name, value in dma.items()} for p in rows]),
            "wave": pack(wave(self.config.psum), moving),
            "column": pack(self.layout["column"], chain),
        }

    def _golden(self) -> tuple[GoldenElementwise, PartitionedMemory, list[str]]:
        reports: list[str] = []
        memories = []
        for space, data in ((Space.SBUF, self.sbuf.memory), (Space.PSUM, self.psum.memory)):
            rows = self.config.partitions
            raw = np.ascontiguousarray(data).view(np.uint8).reshape(rows, -1)
            memory = PartitionedMemory(
                space=space, partitions=rows, partition_bytes=raw.shape[1], report=reports.append
            )
            memory.data[:], memory.written[:] = raw, True
            memories.append(memory)
        return GoldenElementwise(sbuf=memories[0], psum=memories[1], report=reports.append), memories[0], reports

    # run

    async def run(
        self, programs: dict[str, list[Instruction]], *, gap: int, owned: Callable[[int], int], limit: int
    ) -> None:
        start_clock(self.dut)
        idle = self._memory_inputs(self.idle_dma, self.idle_wave, [0] * self.config.partitions)
        commands = {f"{name}__{port}": 0 for name in NAMES for port in ("valid", "payload")}
        await reset(self.dut, {**idle, **commands, "owned": 0})
        self._idle_tick()  # the cycle that the reset has left behind: clocks of the engines already count
        await self.fill()
        golden, golden_sbuf, reports = self._golden()
        for name in NAMES:
            for instruction in programs[name]:
                golden.execute(instruction)
        assert not reports, f"the programs must be legal: {reports[:2]}"

        left = [list(programs[name]) for name in NAMES]
        issued: list[int | None] = [None] * ENGINES
        waits = [0] * ENGINES
        quiet = 0
        for cycle in range(limit):
            offers = [q[0] if q and not waits[e] else None for e, q in enumerate(left)]
            waits = [max(0, w - 1) for w in waits]
            mask = owned(cycle)
            for name, offer in zip(NAMES, offers, strict=True):
                payload = 0 if offer is None else int.from_bytes(encode(offer), "little")
                drive(self.dut, {f"{name}__valid": int(offer is not None), f"{name}__payload": payload})
            drive(self.dut, {"owned": mask})
            await RisingEdge(self.dut.clk)
            outs = self._cycle(cycle, offers, mask)
            for e, out in enumerate(outs):
                if out["finish"]:
                    started = issued[e]
                    assert started is not None, f"cycle {cycle}: {NAMES[e]} finishes what was not issued"
                    self.durations[e].append(cycle - started)
                    issued[e] = None
                if out["ready"] and offers[e] is not None:
                    issued[e] = cycle
                    self._tags[NAMES[e]] = left[e].pop(0)["tag"]
                    waits[e] = self.rng.randint(0, gap)
            quiet = 0 if any(left) or any(i is not None for i in issued) else quiet + 1
            if quiet > DRAIN:
                break
        assert not any(left), f"not finished after {limit} cycles: {[len(q) for q in left]} instructions are left"
        assert not self.sbuf.undefined and not self.psum.undefined
        same = self.sbuf.memory.reshape(golden_sbuf.data.shape) == golden_sbuf.data
        assert same.all(), f"SBUF differs from golden at (partition, byte) {np.argwhere(~same)[0].tolist()}"

    def _cycle(self, cycle: int, offers: list[Instruction | None], mask: int) -> list[dict[str, Any]]:
        """Compare the cycle that has just ended and step all models."""
        seen = [engine.registered() for engine in self.engines]
        asked = {name: [out[name] for out in seen] for name in ("request", "psum_request")}
        arbiter_inputs = {**asked, "owned": mask}
        arbiter = self.arbiter.comb(arbiter_inputs)
        inputs = [
            {"command": offer, "grant": arbiter["grant"] >> e & 1, "psum_grant": arbiter["psum_grant"] >> e & 1}
            for e, offer in enumerate(offers)
        ]
        outs = [engine.comb(given) for engine, given in zip(self.engines, inputs, strict=True)]
        lanes = [model.comb({}) for model in self.lanes]
        slices = {
            "access": arbiter["command"],
            "write_data": np.stack([lane["write_data"] for lane in lanes]),
            "tensor": self.idle_tensor,
            "dma": self.idle_dma,
        }
        memory = self.sbuf.comb(slices)
        columns = np.zeros(self.config.partitions, np.uint32)
        no_wave = {name: np.zeros(self.config.partitions, np.int64) for name in self.idle_wave}
        psum_inputs = {"column": columns, "wave_in": no_wave, "access": arbiter["psum_command"]}
        psum = self.psum.comb(psum_inputs)

        expected = self.ports.expected(outs, arbiter, lanes, memory)
        compare(cycle, self.ports.sampled(lanes), expected, after("lanes", self._tags))
        self._count(asked, arbiter, mask)

        for e, engine in enumerate(self.engines):
            engine.tick(inputs[e])
            self.lanes[e].tick(
                {
                    "control": outs[e]["to_lanes"],
                    "sbuf_data": memory["read_data"][e],
                    "psum_data": psum["read_data"][e],
                }
            )
        self.arbiter.tick(arbiter_inputs)
        self.sbuf.tick(slices)
        self.psum.tick(psum_inputs)
        return outs

    def _count(self, asked: dict[str, Any], arbiter: dict[str, Any], mask: int) -> None:
        words, elems = self.config.sbuf.bank_words, self.config.psum.bank_elems
        request, psum = asked["request"], asked["psum_request"]
        both = request[0]["valid"] and request[1]["valid"]
        self.seen["sbuf conflict"] += bool(both and request[0]["address"] // words == request[1]["address"] // words)
        self.seen["both granted"] += arbiter["grant"] == (1 << ENGINES) - 1
        self.seen["merge"] += any(self.arbiter.merging)
        self.seen["psum conflict"] += bool(
            psum[0]["valid"] and psum[1]["valid"] and psum[0]["address"] // elems == psum[1]["address"] // elems
        )
        self.seen["owned"] += any(p["valid"] and mask >> p["address"] // elems & 1 for p in psum)


def often_near(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A third becomes one of three fp32 numbers, of either sign, up to 2^12 last places away: many sums cancel."""
    few = np.array([0x00A00000, 0x0B400000, 0x3FC00000], np.uint32)
    away = rng.integers(0, 1 << 12, values.shape, np.uint32) >> rng.integers(0, 13, values.shape, np.uint32)
    near = (rng.choice(few, values.shape) + away) | rng.integers(0, 2, values.shape, np.uint32) << 31
    return np.where(rng.random(values.shape) < 1 / 3, near, values).astype(np.uint32)
