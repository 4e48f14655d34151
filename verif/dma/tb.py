"""RTL and model of the DMA side by side; every port is compared in every cycle."""

from collections import Counter, deque
from random import Random
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from makalu.sim_models.lockstep.dma import DmaModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from makalu.spec.frame import DMA_SLOT, PHASES, SLOTS
from makalu.spec.isa import Opcode
from makalu.spec.memory_map import GRANULE_BYTES
from verif.dma.assembly import SINGLE_BITS, DmaAssembly
from verif.dma.memory_slave import IDLE_BUS, MemorySlave
from verif.lib.compare import compare
from verif.lib.pack import pack, unpack
from verif.lib.sampling import drive, reset, start_clock, with_unknown

__all__ = ["DmaBench"]

_ADDRESS = ("valid", "addr", "len", "size", "burst", "id")
BUS_OUTPUTS = (
    *(f"bus__ar__{name}" for name in _ADDRESS),
    *(f"bus__aw__{name}" for name in _ADDRESS),
    *(f"bus__w__{name}" for name in ("valid", "data", "strb", "last")),
    "bus__r__ready",
    "bus__b__ready",
)
OUTPUTS = ("load__ready", "store__ready", *SINGLE_BITS, *BUS_OUTPUTS, "sbuf")


def _sample(dut: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Values before the edge that was awaited, 0 for X and Z, and the masks of those bits."""
    both = {name: with_unknown(dut[name]) for name in OUTPUTS}
    return {name: value for name, (value, _) in both.items()}, {name: mask for name, (_, mask) in both.items()}


class DmaBench:
    """Feeds loads and stores, plays memory, compares, and counts what happened in `seen`."""

    def __init__(self, dut: Any, config: CoreConfig, slave: MemorySlave, rng: Random, *, density: float) -> None:
        self.dut, self.config, self.slave, self.rng, self.density = dut, config, slave, rng, density
        self.model, self.sbuf = DmaModel(config), SbufModel(config)
        self.noise = np.random.default_rng(rng.getrandbits(32))
        self.layout = {
            name: member.shape
            for name, member in DmaAssembly(config=config).signature.members.items()
            if member.is_port
        }
        self.waiting: dict[str, deque[Instruction]] = {"load": deque(), "store": deque()}
        self.offered: dict[str, Instruction | None] = {"load": None, "store": None}
        self.seen: Counter[str] = Counter()
        self.finishes: list[tuple[int, str]] = []
        self.cycle = 0

    def _other(self, fill: tuple[int, np.ndarray] | None) -> dict[str, Any]:
        """Port A, which fills SBUF, and the tensor engine's reads."""
        config, count = self.config, self.config.partitions
        width = config.sbuf.word_bytes
        idle = {"enable": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": 0}
        access, words = [dict(idle), dict(idle)], np.zeros((2, count, width), np.uint8)
        if fill is not None:
            access[0] = {"enable": 1, "write": 1, "address": fill[0], "mask": (1 << width) - 1, "start": 0}
            access[0]["count"] = count
            words[0] = fill[1]
        phase = (self.cycle - np.arange(count) * config.tensor.add_stages) % PHASES
        busy = (phase % SLOTS != DMA_SLOT) & (self.noise.random(count) < 0.5) & (fill is None)
        return {
            "access": access,
            "write_data": words,
            "tensor": {"enable": busy, "address": self.noise.integers(0, self.filled, count)},
            "phase": phase,
        }

    def _pack(self, other: dict[str, Any]) -> dict[str, int]:
        rows = range(self.config.partitions)
        out = {
            "access": pack(self.layout["access"], other["access"]),
            "write_data": pack(self.layout["write_data"], [other["write_data"][:, p] for p in rows]),
            "tensor": pack(self.layout["tensor"], [{k: v[p] for k, v in other["tensor"].items()} for p in rows]),
        }
        for name, instruction in self.offered.items():
            out[f"{name}__valid"] = int(instruction is not None)
            out[f"{name}__payload"] = int.from_bytes(encode(instruction), "little") if instruction is not None else 0
        return out

    def _shown(self, raw: dict[str, int], undefined: dict[str, int]) -> dict[str, int | None]:
        """The RTL's ports without what carries nothing: a payload without its valid may be X. Other X is None."""
        for channel in ("ar", "aw"):
            for name, value in (("size", self.config.bus.data_bytes.bit_length() - 1), ("burst", 1), ("id", 0)):
                assert raw[f"bus__{channel}__{name}"] == value, f"cycle {self.cycle}: bus.{channel}.{name}"
        values, lost = self._carried(raw, raw), self._carried(undefined, raw)
        return {name: None if lost[name] else value for name, value in values.items()}

    def _carried(self, ports: dict[str, int], gates: dict[str, int]) -> dict[str, int]:
        """What of `ports` carries something where `gates` are the valids."""
        out = dict(ports)
        packed = out.pop("sbuf")
        for channel in ("ar", "aw"):
            for name in ("addr", "len"):
                out[f"bus__{channel}__{name}"] *= gates[f"bus__{channel}__valid"]
            for name in ("size", "burst", "id"):
                del out[f"bus__{channel}__{name}"]
        for name in ("data", "strb", "last"):
            out[f"bus__w__{name}"] *= gates["bus__w__valid"]
        out["bus__w__data"] &= sum(
            0xFF << (8 * b) for b in range(self.config.bus.data_bytes) if gates["bus__w__strb"] >> b & 1
        )
        pairs = zip(unpack(self.layout["sbuf"], packed), unpack(self.layout["sbuf"], gates["sbuf"]), strict=True)
        for p, (port, gate) in enumerate(pairs):
            out.update(self._port(p, port, gate))
        return out

    def _port(self, p: int, port: dict[str, int], gate: dict[str, int]) -> dict[str, int]:
        mask = sum(0xFFFFFFFF << (8 * GRANULE_BYTES * g) for g in range(8) if gate["granules"] >> g & 1)
        write = gate["enable"] & gate["write"]
        return {
            f"sbuf{p}.enable": port["enable"],
            f"sbuf{p}.write": port["write"] * gate["enable"],
            f"sbuf{p}.address": port["address"] * gate["enable"],
            f"sbuf{p}.granules": port["granules"] * write,
            f"sbuf{p}.data": port["data"] & mask if write else 0,
        }

    def _expected(self, out: dict[str, Any]) -> dict[str, int]:
        flat = {name: value for name, value in out.items() if name != "sbuf"}
        flat["load__ready"], flat["store__ready"] = flat.pop("load_ready"), flat.pop("store_ready")
        ports = out["sbuf"]
        for p in range(self.config.partitions):
            port = {name: int(ports[name][p]) for name in ("enable", "write", "address", "granules")}
            port["data"] = int.from_bytes(ports["data"][p].tobytes(), "little")
            flat.update(self._port(p, port, port))
        return flat

    async def fill(self, image: np.ndarray) -> None:
        """After reset: all SBUF words of `image` [P, bytes] through port A."""
        width = self.config.sbuf.word_bytes
        self.filled = image.shape[1] // width
        start_clock(self.dut)
        zero = {**self._pack(self._other((0, image[:, :width]))), **IDLE_BUS}
        await reset(self.dut, {name: 0 for name in zero})
        # the frame counts from the first cycle after reset, which `reset` has let pass
        self.cycle = 0
        self.model.tick(
            {
                **self._other(None),
                **IDLE_BUS,
                "load": None,
                "store": None,
                "sbuf_data": np.zeros((self.config.partitions, width), np.uint8),
            }
        )
        self.cycle = 1
        for word in range(self.filled):
            await self.step((word, image[:, width * word : width * (word + 1)]), playing=False)

    async def step(self, fill: tuple[int, np.ndarray] | None = None, *, playing: bool = True) -> None:
        """One cycle."""
        other = self._other(fill)
        bus = self.slave.drive() if playing else dict(IDLE_BUS)
        drive(self.dut, {**self._pack(other), **bus})
        await RisingEdge(self.dut.clk)
        raw, undefined = _sample(self.dut)
        inputs = {**bus, **self.offered, "phase": other["phase"]}
        out = self.model.comb(inputs)
        compare(self.cycle, self._shown(raw, undefined), self._expected(out), "dma")
        b_data = self.sbuf.comb({**other, "dma": out["sbuf"]})["b_data"]
        self._count(raw, out, bus, other["phase"])
        self.model.tick({**inputs, "sbuf_data": b_data})
        self.sbuf.tick({**other, "dma": out["sbuf"]})
        if playing:
            self.slave.tick(raw)
        for name in self.offered:
            if self.offered[name] is not None and raw[f"{name}__ready"]:
                self.offered[name] = None
            if self.offered[name] is None and self.waiting[name] and playing and self.rng.random() < self.density:
                self.offered[name] = self.waiting[name].popleft()
        self.cycle += 1

    def _count(self, raw: dict[str, Any], out: dict[str, Any], bus: dict[str, int], phase: np.ndarray) -> None:
        for name in SINGLE_BITS:
            self.seen[name] += int(raw[name])
        for name in ("finish_load", "finish_store"):
            if raw[name]:
                self.finishes.append((self.cycle, name))
        for name in ("ar", "aw", "w"):
            self.seen[f"{name} waits"] += int(raw[f"bus__{name}__valid"] and not bus[f"bus__{name}__ready"])
        self.seen["r waits"] += int(bus["bus__r__valid"] and not raw["bus__r__ready"])
        self.seen["both directions"] += int(bool(bus["bus__r__valid"]) and bool(raw["bus__w__valid"]))
        ports = out["sbuf"]
        phase3 = ports["enable"].astype(bool) & (phase == DMA_SLOT)
        self.seen["merges"] += int((phase3 & (ports["write"] == 0)).sum())
        self.seen["w before aw"] += len(self.slave.data) > 0 and not self.slave.addresses
        for name in ("load", "store"):
            self.seen[f"{name} queue full"] += int(self.offered[name] is not None and not raw[f"{name}__ready"])

    def add(self, instruction: Instruction) -> None:
        self.waiting["load" if instruction.opcode == Opcode.DMA_LOAD else "store"].append(instruction)

    def idle(self) -> bool:
        model = self.model
        nothing = not any(self.waiting.values()) and not any(self.offered.values())
        return nothing and not model.load.held and not model.store.held and self.slave.quiet

    async def run(self, *, limit: int) -> int:
        """Until everything that was added is done; returns the cycles it took."""
        start = self.cycle
        while not self.idle():
            await self.step()
            assert self.cycle - start < limit, f"not done after {limit} cycles: {self.seen}"
        for _ in range(2 * PHASES):
            await self.step()
        return self.cycle - start - 2 * PHASES

    def image(self) -> np.ndarray:
        """SBUF [P, bytes] as the model has it; its every write was compared with the RTL's."""
        width = self.config.sbuf.word_bytes
        return self.sbuf.memory[:, : self.filled].reshape(self.config.partitions, self.filled * width)
