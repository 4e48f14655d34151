"""RTL and models of the tensor assembly side by side; every port is compared in every cycle."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from makalu.hw.psum.layouts import commit as commit_layout
from makalu.hw.psum.layouts import wave as wave_layout
from makalu.hw.sbuf.layouts import dma_port, tensor_read
from makalu.hw.tensor.control import edge_control
from makalu.hw.tensor.layouts import CHAIN_BITS, OPERAND_BITS, X_OPERAND, group, tag_bits
from makalu.sim_models.lockstep.tensor import TensorModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from makalu.spec.isa import Opcode
from verif.lib.compare import after, compare
from verif.lib.pack import offset_of, pack, size_of
from verif.lib.sampling import drive, reset, start_clock, with_unknown
from verif.tensor.encoding import finalised, operand_words
from verif.tensor.programs import SBUF_WINDOW, Command

__all__ = ["Accepted", "TensorBench"]

LONGEST_WAIT = 2000
"""No legal command waits longer for its acceptance [cycles]."""
SPECIALS = (0x0000, 0x8000, 0x0001, 0x807F, 0x7F80, 0xFF80, 0x7FC0, 0x7F7F)
"""Zeros, subnormals, infinities, NaN, largest bf16."""


class Accepted:
    """In which cycle a command was first valid, and in which it was accepted."""

    def __init__(self, instruction: Instruction, arrival: int, cycle: int) -> None:
        self.instruction, self.arrival, self.cycle = instruction, arrival, cycle


class TensorBench:
    """Loads SBUF, runs command streams, compares, and counts what happened in `seen`."""

    def __init__(self, dut: Any, config: CoreConfig, rng: random.Random, *, specials: float = 0.02) -> None:
        self.dut, self.config, self.rng = dut, config, rng
        self.model = TensorModel(config)
        self.seen: Counter[str] = Counter()
        self.cycle = 0
        self.data_defined = False
        """The warm-up has defined every stationary register and PSUM element: columns and commits are compared too."""
        self.dma_reads = 0.0
        self.accepted: list[Accepted] = []
        self._tags: dict[str, int] = {}
        self.columns: list[int] = []
        """Cycles in which a column was at the edge of row 0."""
        self.finishes: dict[str, list[int]] = {"finish_load": [], "finish_matmul": []}
        self._specials = specials
        count = config.partitions
        self._idle_dma = {name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")}
        self._idle_dma["data"] = np.zeros((count, config.sbuf.word_bytes), np.uint8)
        self._dma, self._control, self._group = dma_port(config), edge_control(config), group(config)
        self._read, self._commit, self._wave = tensor_read(config), commit_layout(config.psum), wave_layout(config.psum)
        self._idle = {"command__valid": 0, "command__payload": 0, "dma": 0}

    async def start(self) -> None:
        """Reset, then every word of the windows gets random bf16 numbers."""
        start_clock(self.dut)
        await reset(self.dut, self._idle | {"access": 0})
        self.model.tick({"command": None, "frame": 0, "dma": self._idle_dma})  # the cycle in which reset was released
        self.cycle = 1
        sbuf = self.config.sbuf
        for bank in range(sbuf.banks):
            for word in range(SBUF_WINDOW // sbuf.word_bytes):
                await self._step(None, dma=self._write(bank * sbuf.bank_words + word))
        await self._step(None)

    def _write(self, address: int) -> dict[str, Any]:
        """The same word in all partitions, other data in each."""
        count, word = self.config.partitions, self.config.sbuf.word_bytes
        numbers = np.array([self._number() for _ in range(count * word // 2)], "<u2").reshape(count, word // 2)
        ones = np.ones(count, np.int64)
        granules = ones * ((1 << (word // 4)) - 1)
        data = numbers.view(np.uint8)
        return {"enable": ones, "write": ones, "address": ones * address, "granules": granules, "data": data}

    def _number(self) -> int:
        if self.rng.random() < self._specials:
            return self.rng.choice(SPECIALS)
        return self.rng.getrandbits(1) << 15 | self.rng.randint(120, 134) << 7 | self.rng.getrandbits(7)

    async def run(self, commands: Sequence[Command]) -> None:
        """Present the commands one after the other, then wait until the engine is idle."""
        for command in commands:
            for _ in range(command.gap):
                await self._step(None)
            arrival = self.cycle
            while not await self._step(command.instruction):
                assert self.cycle < arrival + LONGEST_WAIT, f"{command} waits since cycle {arrival}"
            self.accepted.append(Accepted(command.instruction, arrival, self.cycle - 1))
        while (await self._observe())["active"]:
            pass

    async def _observe(self) -> dict[str, Any]:
        """An idle cycle; what the model showed in it."""
        await self._step(None)
        return self._last

    async def _step(self, command: Instruction | None, dma: dict[str, Any] | None = None) -> bool:
        """One cycle; returns whether the command was accepted."""
        frame = self.cycle % 8
        if dma is None:
            dma = self._random_reads(frame) if self.dma_reads else self._idle_dma
        inputs = {"command": command, "frame": frame, "dma": dma}
        payload = 0 if command is None else int.from_bytes(encode(command), "little")
        drive(
            self.dut,
            {"command__valid": int(command is not None), "command__payload": payload, "dma": self._packed_dma(dma)},
        )
        await RisingEdge(self.dut.clk)
        out = self.model.comb(inputs)
        expected, masks = self._expected(out, frame)
        if command is not None:
            expected["command__ready"] = int(out["ready"])
        compare(self.cycle, self._sampled(expected, masks), expected, after("tensor engine", self._tags))
        if command is not None and out["ready"]:
            self._tags["tensor"] = command["tag"]
        self._count(command, out)
        self._last = out
        self.model.tick(inputs)
        self.cycle += 1
        return bool(out["ready"])

    def _random_reads(self, frame: int) -> dict[str, Any]:
        """DMA reads of initialised words in slot 3: what port B shows then must not reach the engine."""
        rows = np.arange(self.config.partitions)
        mine = (frame - rows * self.config.tensor.add_stages) % 4 == 3
        dma = dict(self._idle_dma)
        dma["enable"] = (mine & (self.rng.random() < self.dma_reads)).astype(np.int64)
        dma["address"] = dma["enable"] * self.rng.randrange(SBUF_WINDOW // self.config.sbuf.word_bytes)
        return dma

    def _packed_dma(self, dma: dict[str, Any]) -> int:
        out = 0
        for p in np.flatnonzero(dma["enable"]):
            out |= pack(self._dma, {name: value[p] for name, value in dma.items()}) << (size_of(self._dma) * int(p))
        return out

    def _sampled(self, expected: dict[str, int], masks: dict[str, int]) -> dict[str, int | None]:
        """RTL values under the masks; an X outside the mask does not count."""
        out: dict[str, int | None] = {}
        for name in expected:
            (value, unknown), mask = with_unknown(self.dut[name]), masks.get(name, -1)
            out[name] = None if unknown & mask else value & mask
        if "p" in out and out["p"] is not None:
            out["p"] = self._finalised(out["p"])
        return out

    def _finalised(self, words: int) -> int:
        part = (1 << CHAIN_BITS) - 1
        result = 0
        for p in range(self.config.partitions):
            result |= finalised(words >> (CHAIN_BITS * p) & part, subnormals=self.config.tensor.subnormals) << (32 * p)
        return result

    def _expected(self, out: dict[str, Any], frame: int) -> tuple[dict[str, int], dict[str, int]]:
        config = self.config
        expected = {name: int(out[name]) for name in ("finish_load", "finish_matmul", "active", "stalled", "owned")}
        expected["frame"] = frame
        masks: dict[str, int] = {}
        parts = {name: part and part._asdict() for name, part in out["control"]._asdict().items()}
        if parts["read"]:
            parts["read"]["count"] = parts["read"].pop("partitions")
        go = {"read": "enable", "group": "valid", "column": "valid"}
        expected["control"], masks["control"] = self._masked_struct(
            self._control, {name: (go[name], part) for name, part in parts.items()}
        )
        expected["x"], expected["w"] = self._x(out["x"]), self._w(out["w"])
        wave = out["wave"] and out["wave"]._asdict()
        expected["wave"], masks["wave"] = self._gated(self._wave, "valid", wave)
        rows = range(config.partitions)
        read = out["sbuf"]
        reads = [{"address": int(read["address"][p])} if read["enable"][p] else None for p in rows]
        expected["sbuf"], masks["sbuf"] = self._joined(self._read, "enable", reads)
        if self.data_defined:
            done = out["commit"]
            commits = [{n: int(done[n][p]) for n in ("address", "data")} if done["valid"][p] else None for p in rows]
            expected["commit"], masks["commit"] = self._joined(self._commit, "valid", commits)
            expected["p"] = sum(int(v) << (32 * p) for p, v in enumerate(out["p"]))
        return expected, masks

    @staticmethod
    def _gated(layout: Any, go: str, values: dict[str, Any] | None) -> tuple[int, int]:
        """Value and mask of a struct whose fields mean something only with the bit `go`."""
        if values is None:
            return 0, 1 << offset_of(layout, go)
        return pack(layout, {go: 1, **values}), (1 << size_of(layout)) - 1

    def _masked_struct(self, layout: Any, parts: dict[str, Any]) -> tuple[int, int]:
        value = mask = 0
        for name, (go, part) in parts.items():
            one, keep = self._gated(layout[name].shape, go, part)
            value |= one << offset_of(layout, name)
            mask |= keep << offset_of(layout, name)
        return value, mask

    def _joined(self, layout: Any, go: str, items: Sequence[dict[str, Any] | None]) -> tuple[int, int]:
        value, mask, size = 0, 0, size_of(layout)
        for i, item in enumerate(items):
            one, keep = self._gated(layout, go, item)
            value |= one << (size * i)
            mask |= keep << (size * i)
        return value, mask

    def _x(self, x: dict[str, NDArray[Any]]) -> int:
        words = operand_words(x["bits"], stationary=False, subnormals=self.config.tensor.subnormals)
        size = size_of(X_OPERAND)
        packed = np.where(x["active"], words, 0) | x["active"].astype(np.int64) << OPERAND_BITS
        packed |= x["swap"].astype(np.int64) << (OPERAND_BITS + 1)
        return sum(int(v) << (size * p) for p, v in enumerate(packed))

    def _w(self, w: dict[str, NDArray[Any]]) -> int:
        tensor = self.config.tensor
        words = operand_words(w["bits"], stationary=True, subnormals=tensor.subnormals)
        size, tag_at = size_of(self._group), OPERAND_BITS * tensor.load_columns
        out = 0
        for p in np.flatnonzero(w["valid"]):
            one = sum(int(v) << (OPERAND_BITS * i) for i, v in enumerate(words[p]))
            one |= int(w["tag"][p]) << tag_at | 1 << (tag_at + tag_bits(tensor))
            out |= one << (size * int(p))
        return out

    def _count(self, command: Instruction | None, out: dict[str, Any]) -> None:
        read, groups, column = out["control"]
        if column is not None:
            self.columns.append(self.cycle)
            self.seen["swap"] += column.swap
        for name, cycles in self.finishes.items():
            if out[name]:
                cycles.append(self.cycle)
        self.seen["load overlaps columns"] += groups is not None and column is not None
        self.seen["stalled"] += out["stalled"]
        self.seen["all buffers held"] += len(self.model.head._held) == self.config.tensor.moving_buffers
        if command is not None and not out["ready"]:
            self.seen["load waits" if command.opcode == Opcode.LOAD_STATIONARY else "matmul waits"] += 1
        if out["wave"] is not None:
            self.seen["accumulate" if out["wave"].accumulate else "overwrite"] += 1
