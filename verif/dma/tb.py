"""DMA engine, its lanes and the SBUF slices behind them, cut from the core, beside their models."""

from collections import deque
from functools import cache
from random import Random
from typing import Any

import numpy as np

from makalu.sim_models.lockstep.dma import DmaModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.frame import DMA_SLOT, PHASES, SLOTS
from makalu.spec.isa import Opcode
from verif.dma.memory_slave import IDLE_BUS, MemorySlave
from verif.dma.programs import TOP_BYTES
from verif.lib.cut import Cut
from verif.lib.side_by_side import SideBySide, stream, with_memory

__all__ = ["DmaBench", "dma_cut"]

CHANNELS = ("load", "store")
BITS = tuple(f"{kind}_{channel}" for kind in ("finish", "error", "active", "stalled") for channel in CHANNELS)


@cache
def dma_cut(config: CoreConfig) -> Cut:
    """DmaEngine + P (DmaLane + SbufSlice); port A fills SBUF, port B has the tensor engine's reads beside the DMA."""
    streams = [f"sequencer.dma_{channel}" for channel in CHANNELS]
    words = [f"{engine}_lane.write_data" for engine in ACCESS_ENGINES]
    return Cut(
        config=config,
        blocks=("dma", "dma_lane", "sbuf_slice"),
        drive=(*streams, "data", "arbiter.command", *words, "tensor_edge.sbuf"),
        show=(*(f"dma.{bit}" for bit in BITS), "dma_lane.sbuf"),
    )


class _Models:
    def __init__(self, config: CoreConfig, sbuf: SbufModel) -> None:
        self.dma, self.sbuf = DmaModel(config), sbuf
        fixed = {"size": config.bus.data_bytes.bit_length() - 1, "burst": BURST_INCR, "id": 0}
        self.fixed = {f"data__{channel}__{name}": v for channel in ("ar", "aw") for name, v in fixed.items()}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.seen = {name.replace("data__", "bus__"): value for name, value in inputs.items()}
        out = self.dma.comb(self.seen)
        return out | {
            **self.fixed,
            **{name.replace("bus__", "data__"): value for name, value in out.items() if name.startswith("bus__")},
            **{f"sequencer__dma_{channel}__ready": out[f"{channel}_ready"] for channel in CHANNELS},
            **{f"dma__{bit}": out[bit] for bit in BITS},
            "dma_lane__sbuf": {name: value for name, value in out["sbuf"].items() if name != "fresh"},
        }

    def tick(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        slices = {**inputs, "dma": out["sbuf"]}
        memory = self.sbuf.comb(slices)
        self.dma.tick({**self.seen, "sbuf_data": memory["b_data"]})
        self.sbuf.tick(slices, memory)


class DmaBench(SideBySide):
    """Feeds loads and stores, plays memory, and counts what happened."""

    def __init__(self, dut: Any, config: CoreConfig, slave: MemorySlave, rng: Random, *, density: float) -> None:
        super().__init__(dut, dma_cut(config), _Models(config, SbufModel(config)), name="dma")
        self.config, self.slave, self.rng, self.density = config, slave, rng, density
        self.noise = np.random.default_rng(rng.getrandbits(32))
        self.words: list[int] = []
        """Of SBUF that are filled."""
        self.finishes: list[tuple[int, str]] = []
        self._forget()

    def _forget(self) -> None:
        self.waiting: dict[str, deque[Instruction]] = {name: deque() for name in CHANNELS}
        self.offered: dict[str, Instruction | None] = dict.fromkeys(CHANNELS)

    def renewed(self) -> _Models:
        self.slave.forget()
        self._forget()
        return _Models(self.config, with_memory(SbufModel(self.config), self.model.sbuf))

    def idle(self) -> dict[str, Any]:
        """No descriptor, no memory; nothing on port A, and nothing of the tensor engine."""
        config, count = self.config, self.config.partitions
        access = {"enable": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": count}
        return {
            **IDLE_BUS,
            **dict.fromkeys(CHANNELS),
            "access": [dict(access), dict(access)],
            "write_data": np.zeros((2, count, config.sbuf.word_bytes), np.uint8),
            "tensor": {"enable": np.zeros(count, bool), "address": np.zeros(count, np.int64)},
            "phase": (self.cycle - np.arange(count) * config.tensor.add_stages) % PHASES,
        }

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        named = {name: inputs[name] for name in IDLE_BUS}
        for channel in CHANNELS:
            named |= stream(f"sequencer__dma_{channel}", inputs[channel])
        for e, engine in enumerate(ACCESS_ENGINES):
            named[f"{engine}_lane__write_data"] = inputs["write_data"][e]
        return super().packed(named | {"arbiter__command": inputs["access"], "tensor_edge__sbuf": inputs["tensor"]})

    async def fill(self, image: np.ndarray, words: list[int]) -> None:
        """After reset: these SBUF words get the bytes of `image` [P, bytes] through port A."""
        width = self.config.sbuf.word_bytes
        await self.start()
        for word in words:
            inputs = self.idle()
            inputs["access"][0] |= {"enable": 1, "write": 1, "address": word, "mask": (1 << width) - 1}
            inputs["write_data"][0] = image[:, width * word : width * (word + 1)]
            await self.step(inputs)
        self.words = words

    async def play(self) -> dict[str, Any]:
        """One cycle with memory, the descriptors that were added, and reads of the tensor engine."""
        inputs = self.idle() | self.slave.drive() | self.offered
        free = (inputs["phase"] % SLOTS != DMA_SLOT) & (self.noise.random(self.config.partitions) < 0.5)
        inputs["tensor"] = {"enable": free, "address": self.noise.choice(self.words, self.config.partitions)}
        out = await self.step(inputs)
        self.slave.tick(out)
        for name, offered in self.offered.items():
            if offered is not None and out[f"sequencer__dma_{name}__ready"]:
                self.tags[name] = offered["tag"]
                offered = self.offered[name] = None
            if offered is None and self.waiting[name] and self.rng.random() < self.density:
                self.offered[name] = self.waiting[name].popleft()
        return out

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        self.seen.update({bit: out[f"dma__{bit}"] for bit in BITS})
        self.finishes += [(self.cycle, bit) for bit in BITS[:2] if out[f"dma__{bit}"]]
        both = out | inputs
        for channel in ("ar", "aw", "w", "r"):
            waits = both[f"data__{channel}__valid"] and not both[f"data__{channel}__ready"]
            self.seen[f"{channel} waits"] += int(waits)
        self.seen["error waits"] += int(waits and inputs["data__r__resp"] > 1)
        self.seen["both directions"] += int(bool(inputs["data__r__valid"]) and bool(out["data__w__valid"]))
        port = out["dma_lane__sbuf"]
        reads, writes = (port["enable"].astype(bool) & (port["write"] == way) for way in (0, 1))
        top = port["address"] * self.config.sbuf.word_bytes >= self.config.sbuf.partition_bytes - TOP_BYTES
        self.seen["merges"] += int((reads & (inputs["phase"] == DMA_SLOT)).sum())
        self.seen["top written"] += int((writes & top).sum())
        self.seen["top read"] += int((reads & top & (inputs["phase"] != DMA_SLOT)).sum())
        self.seen["w before aw"] += len(self.slave.data) > 0 and not self.slave.addresses
        for name in CHANNELS:
            waits = inputs[name] is not None and not out[f"sequencer__dma_{name}__ready"]
            self.seen[f"{name} queue full"] += int(waits)

    def add(self, instruction: Instruction) -> None:
        self.waiting["load" if instruction.opcode == Opcode.DMA_LOAD else "store"].append(instruction)

    def held(self) -> bool:
        """Descriptors that the DMA has."""
        return bool(self.model.dma.load.held or self.model.dma.store.held)

    def idles(self) -> bool:
        nothing = not any(self.waiting.values()) and not any(self.offered.values())
        return nothing and not self.held() and self.slave.quiet

    async def run(self, *, limit: int) -> int:
        """Until everything that was added is done; returns the cycles it took."""
        start = self.cycle
        while not self.idles():
            await self.play()
            assert self.cycle - start < limit, f"not done after {limit} cycles: {self.seen}"
        for _ in range(2 * PHASES):
            await self.play()
        return self.cycle - start - 2 * PHASES

    def image(self) -> np.ndarray:
        """SBUF [P, bytes] as the model has it; its every write was compared with the RTL's."""
        return self.model.sbuf.memory.reshape(self.config.partitions, -1)
