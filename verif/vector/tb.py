"""Vector and Scalar, the arbiter, all partitions' memories and lanes, cut from the core, beside their models."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from makalu.sim_models.golden.elementwise import GoldenElementwise
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.lane_engine import LaneEngineModel
from makalu.sim_models.lockstep.lanes import LanesModel
from makalu.sim_models.lockstep.psum import PsumModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.isa import Space
from makalu.spec.memory_map import PSUM_HALVES
from makalu.spec.registers import REGISTER_BITS
from makalu.spec.scales import GROUP_PARTITIONS
from verif.lib.compare import Known
from verif.lib.cut import Cut
from verif.lib.golden import golden_memories
from verif.lib.lane_programs import corner_values, windows
from verif.lib.sampling import drive
from verif.lib.side_by_side import SideBySide, stream, with_memory
from verif.psum.chain import chain_word

__all__ = ["LanesBench", "lanes_cut"]

DRAIN = 8
"""Cycles after the last finish: nothing may happen any more."""
ASKED = ("request", "psum_request")
BITS = ("finish", "active", "stalled")


@cache
def lanes_cut(config: CoreConfig) -> Cut:
    """Both engines and the arbiter over P partitions; the memories are filled through the DMA's port and the wave."""
    engines = [f"{engine}.{port}" for engine in ACCESS_ENGINES for port in (*BITS, *ASKED, "to_lanes")]
    lanes = [f"{engine}_lane" for engine in ACCESS_ENGINES]
    groups = range(config.partitions // GROUP_PARTITIONS) if config.tensor.quads else ()
    return Cut(
        config=config,
        blocks=(
            *(*ACCESS_ENGINES, "arbiter", *lanes, "sbuf_slice", "psum_slice"),
            *(f"quantiser_{number}" for number in groups),
        ),
        drive=(
            *(f"sequencer.{e}" for e in ACCESS_ENGINES),
            *("head.owned", "dma_lane.sbuf", "head.wave", "array.p"),
            *(("sequencer.seeding",) if config.stochastic else ()),
        ),
        show=(
            *("arbiter.grant", "arbiter.psum_grant", "sbuf_slice.written_a"),
            *engines,
            *(f"{lane}.write_data" for lane in lanes),
        ),
    )


class _Models:
    """The engines' models, the arbiter's, and those of all partitions."""

    def __init__(self, config: CoreConfig, sbuf: SbufModel, psum: PsumModel) -> None:
        self.arbiter, self.sbuf, self.psum = AccessArbiterModel(config), sbuf, psum
        self.engines = [LaneEngineModel(config, engine=name) for name in ACCESS_ENGINES]
        self.lanes = [
            LanesModel(config, engine=name, grouped=engine.grouped)
            for name, engine in zip(ACCESS_ENGINES, self.engines, strict=True)
        ]
        count, self.rows = config.partitions, range(config.partitions)
        nothing = np.zeros(count, np.int64)
        data = np.zeros((count, config.sbuf.word_bytes), np.uint8)
        dma = {**dict.fromkeys(("enable", "write", "address", "granules"), nothing), "data": data}
        self.idle = {"tensor": {"enable": nothing, "address": nothing}, "dma": dma}
        self.no_wave = {"column": np.zeros(count, np.uint32), "wave_in": psum.wave}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        seen = [engine.registered() for engine in self.engines]
        asked = {name: [out[name] for out in seen] for name in ASKED} | {"owned": inputs["owned"]}
        arbiter = self.arbiter.comb(asked)
        given = [
            {"command": offer, "grant": arbiter["grant"] >> e & 1, "psum_grant": arbiter["psum_grant"] >> e & 1}
            for e, offer in enumerate(inputs["offers"])
        ]
        outs = [engine.comb(one) for engine, one in zip(self.engines, given, strict=True)]
        lanes = [model.comb({"control": out["to_lanes"]}) for model, out in zip(self.lanes, seen, strict=True)]
        slices = {**self.idle, "access": arbiter["command"], "write_data": np.stack([w["write_data"] for w in lanes])}
        memory = self.sbuf.comb(slices)
        written = [[{name: v[p] for name, v in w.items()} for w in memory["written_a"]] for p in self.rows]
        ports = {"arbiter__grant": arbiter["grant"], "arbiter__psum_grant": arbiter["psum_grant"]}
        for name, out, lane in zip(ACCESS_ENGINES, outs, lanes, strict=True):
            ports |= {f"{name}__{port}": out[port] for port in (*BITS, *ASKED, "to_lanes")}
            ports[f"{name}_lane__write_data"] = Known(lane["write_data"], 255 * lane["known"].astype(np.uint8))
            ports[f"sequencer__{name}__ready"] = out["ready"]
        inner = {"asked": asked, "given": given, "outs": outs, "slices": slices, "memory": memory, "arbiter": arbiter}
        return inner | ports | {"sbuf_slice__written_a": written}

    def tick(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        psum = self.no_wave | {"access": out["arbiter"]["psum_command"], "seeding": inputs["seeding"]}
        elements = self.psum.comb(psum)["read_data"]
        words = out["memory"]["read_data"]
        for e, engine in enumerate(self.engines):
            engine.tick(out["given"][e])
            orders = out["outs"][e]["to_lanes"]
            data = {"sbuf_data": words[e], "psum_data": elements[e], "seeding": inputs["seeding"]}
            self.lanes[e].tick({"control": orders, **data})
        self.arbiter.tick(out["asked"])
        self.sbuf.tick(out["slices"], out["memory"])
        self.psum.tick(psum)


class LanesBench(SideBySide):
    """Fills the memories, runs a list of instructions an engine, and counts what happened."""

    def __init__(self, dut: Any, config: CoreConfig, rng: Random, *, window: int) -> None:
        whole = [f"{engine}__{port}" for engine in ACCESS_ENGINES for port in ASKED]
        models = _Models(config, SbufModel(config), PsumModel(config))
        super().__init__(dut, lanes_cut(config), models, name="lanes", whole=whole)
        self.config, self.rng, self.window = config, rng, window
        self.durations: dict[str, list[int]] = {name: [] for name in ACCESS_ENGINES}

    def idle(self) -> dict[str, Any]:
        quiet = {"owned": 0, "dma": 0, "wave": 0, "column": 0, "seeding": {"start": 0, "seed": 0}}
        return {"offers": [None for _ in ACCESS_ENGINES], **quiet}

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        named = {"head__owned": inputs["owned"], "head__wave": inputs["wave"]}
        named |= {"dma_lane__sbuf": inputs["dma"], "array__p": inputs["column"]}
        if self.config.stochastic:
            named["sequencer__seeding"] = inputs["seeding"]
        for name, offer in zip(ACCESS_ENGINES, inputs["offers"], strict=True):
            named |= stream(f"sequencer__{name}", offer)
        return super().packed(named)

    def renewed(self) -> _Models:
        new = SbufModel(self.config), PsumModel(self.config)
        return _Models(self.config, with_memory(new[0], self.model.sbuf), with_memory(new[1], self.model.psum))

    async def fill(self) -> None:
        """From reset on: the windows of SBUF and the whole of PSUM get the same words in RTL and models."""
        await self.start()
        config, sbuf, psum = self.config, self.config.sbuf, self.config.psum
        models, rows = self.model, np.arange(config.partitions)
        values = np.random.default_rng(self.rng.getrandbits(32))
        bounds = [(low // sbuf.word_bytes, high // sbuf.word_bytes) for low, high in windows(config, self.window)]
        words = [word for bound in bounds for word in range(*bound)]
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
        ones = np.ones(config.partitions, np.int64)
        for cycle in range(max(len(words), count + skew)):
            inputs = self.idle()
            if cycle < len(words):
                word, whole = words[cycle], (1 << sbuf.word_bytes // 4) - 1
                inputs["dma"] = {"enable": ones, "write": ones, "address": word * ones, "granules": whole * ones}
                inputs["dma"]["data"] = content[:, word]
                models.sbuf.memory[:, word], models.sbuf.known[:, word] = content[:, word], True
            if cycle < count:
                halves = (1 << PSUM_HALVES) - 1 if config.tensor.halves else 0
                wave = {"valid": 1, "address": cycle, "halves": halves, "carried": 0, "rounding": 0, "accumulate": 0}
                inputs["wave"] = wave | {"first": 0, "columns": config.partitions}
            at_column = cycle - 1 - rows
            inputs["column"] = [columns[p][d] if 0 <= d < count else 0 for p, d in enumerate(at_column.tolist())]
            drive(self.dut, self.packed(inputs))
            await RisingEdge(self.dut.clk)
            for engine in models.engines:
                engine.tick({"command": None, "grant": 0, "psum_grant": 0})
        models.psum.memory[:], models.psum.known[:] = elements, (1 << PSUM_HALVES) - 1
        self._driven = {}

    async def seed(self) -> int:
        """A start, as far as the generators see it; its seed."""
        seed = self.rng.getrandbits(REGISTER_BITS) if self.config.stochastic else 0
        await self.step(self.idle() | {"seeding": {"start": 1, "seed": seed}})
        return seed

    async def run(
        self,
        programs: dict[str, list[Instruction]],
        *,
        gap: int,
        owned: Callable[[int], int],
        limit: int,
        until: int | None = None,
    ) -> None:
        """All of `programs`, then SBUF is golden's; or `until` cycles of it."""
        reports: list[str] = []
        seed = await self.seed()
        memories = golden_memories(self.model.sbuf, self.model.psum, report=reports.append)
        golden_sbuf = memories[Space.SBUF]
        golden = GoldenElementwise(
            config=self.config, sbuf=golden_sbuf, psum=memories[Space.PSUM], report=reports.append
        )
        golden.start(seed)
        for name in ACCESS_ENGINES if until is None else ():
            for instruction in programs[name]:
                golden.execute(instruction)
        assert not reports, f"the programs must be legal: {reports[:2]}"
        left = {name: list(programs[name]) for name in ACCESS_ENGINES}
        issued: dict[str, int | None] = dict.fromkeys(ACCESS_ENGINES)
        waits = dict.fromkeys(ACCESS_ENGINES, 0)
        quiet = 0
        for cycle in range(limit if until is None else until):
            offers = [left[name][0] if left[name] and not waits[name] else None for name in ACCESS_ENGINES]
            waits = {name: max(0, wait - 1) for name, wait in waits.items()}
            out = await self.step(self.idle() | {"offers": offers, "owned": owned(cycle)})
            for name, offer in zip(ACCESS_ENGINES, offers, strict=True):
                if out[f"{name}__finish"]:
                    started = issued[name]
                    assert started is not None, f"cycle {cycle}: {name} finishes what was not issued"
                    self.durations[name].append(cycle - started)
                    issued[name] = None
                if out[f"sequencer__{name}__ready"] and offer is not None:
                    issued[name] = cycle
                    self.tags[name] = left[name].pop(0)["tag"]
                    waits[name] = self.rng.randint(0, gap)
            quiet = 0 if any(left.values()) or any(i is not None for i in issued.values()) else quiet + 1
            if quiet > DRAIN:
                break
        if until is not None:
            assert any(i is not None for i in issued.values()), "nothing was in flight"
            return
        assert not any(left.values()), f"not finished after {limit} cycles: {left} are left"
        assert not self.model.sbuf.undefined and not self.model.psum.undefined
        same = self.model.sbuf.memory.reshape(golden_sbuf.data.shape) == golden_sbuf.data
        assert same.all(), f"SBUF differs from golden at (partition, byte) {np.argwhere(~same)[0].tolist()}"

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        sbuf, elems = self.config.sbuf, self.config.psum.bank_elems
        request, psum = out["asked"]["request"], out["asked"]["psum_request"]
        both = request[0]["valid"] and request[1]["valid"]
        same = request[0]["address"] // sbuf.bank_words == request[1]["address"] // sbuf.bank_words
        top = sbuf.words - 2 * self.window // sbuf.word_bytes
        one_bank = psum[0]["address"] // elems == psum[1]["address"] // elems
        for order in (engine["to_lanes"] for engine in out["outs"]):
            waits = order.get("phase") and order["setup"]["grouped"] and not order["enters"] and not order["advance"]
            self.seen["group waits"] += bool(waits)
            self.seen["drawn"] += order.get("draw", 0)
            bubble = order.get("draw") == 0 and order["advance"] and order["setup"]["rounding"]
            self.seen["moved without a draw"] += bool(bubble)
        self.seen["scales written"] += any(r["valid"] and r.get("scales") for r in request)
        self.seen["scales merged"] += any(
            c["enable"] and not c["write"] and c.get("scales") for c in out["arbiter"]["command"]
        )
        self.seen["sbuf conflict"] += bool(both and same)
        self.seen["both granted"] += out["arbiter__grant"] == (1 << len(request)) - 1
        self.seen["merge"] += any(self.model.arbiter.merging)
        for write, name in enumerate(("read", "written")):
            self.seen[f"top {name}"] += any(r["valid"] and r["write"] == write and r["address"] >= top for r in request)
        last_bank = (self.config.psum.banks - 1) * elems
        self.seen["top of psum"] += any(p["valid"] and p["address"] >= last_bank for p in psum)
        self.seen["psum conflict"] += bool(psum[0]["valid"] and psum[1]["valid"] and one_bank)
        self.seen["owned"] += any(p["valid"] and inputs["owned"] >> p["address"] // elems & 1 for p in psum)


def often_near(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A third becomes one of three fp32 numbers, of either sign, up to 2^12 last places away: many sums cancel."""
    few = np.array([0x00A00000, 0x0B400000, 0x3FC00000], np.uint32)
    away = rng.integers(0, 1 << 12, values.shape, np.uint32) >> rng.integers(0, 13, values.shape, np.uint32)
    near = (rng.choice(few, values.shape) + away) | rng.integers(0, 2, values.shape, np.uint32) << 31
    return np.where(rng.random(values.shape) < 1 / 3, near, values).astype(np.uint32)
