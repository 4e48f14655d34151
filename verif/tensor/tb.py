"""The tensor engine with the memories and the array around it, cut from the core, beside its models."""

import random
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makalu.hw.tensor.layouts import CHAIN_BITS, x_edge
from makalu.sim_models.lockstep.tensor import TensorModel
from makalu.sim_models.lockstep.tensor_control import Lookup
from makalu.spec.background import BACKGROUND_BITS
from makalu.spec.chain import OPERAND_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel, finish_depth
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.frame import DMA_SLOT, PHASES, SLOTS
from makalu.spec.isa import LOADS, Opcode
from makalu.spec.quads import QUADS
from makalu.spec.scales import GROUP_PARTITIONS
from verif.lib.compare import Known
from verif.lib.cut import Cut
from verif.lib.side_by_side import SideBySide, stream, with_memory
from verif.tensor.elements import random_elements, random_scales
from verif.tensor.encoding import finalised_words
from verif.tensor.programs import SBUF_WINDOW, Command, scale_window, warm_up, window

__all__ = ["Accepted", "TensorBench", "tensor_cut"]

LONGEST_WAIT = 2000
"""No legal command waits longer for its acceptance [cycles]."""
SPECIALS = (0x0000, 0x8000, 0x0001, 0x807F, 0x7F80, 0xFF80, 0x7FC0, 0x7F7F)
"""Zeros, subnormals, infinities, NaN, largest bf16."""
OF_ONE_TYPE = 0.1
"""Share of the words that are elements of one type, a third of them special."""
_NAMES = {Opcode.MATMUL: "matmul", Opcode.TRANSPOSE: "transpose"}
ENDS = ("finish_load", "finish_matmul", "error_load", "error_matmul")
BITS = (*ENDS, "active", "stalled", "owned")
DATA = ("array__p", "psum_slice__commit")
"""Undefined until every stationary register and PSUM element is."""


@cache
def tensor_cut(config: CoreConfig) -> Cut:
    """TensorHead + P (TensorEdge + SbufSlice + PsumSlice) + PeArray, with mx the groups' memories of scales."""
    edge = [f"tensor_edge.{port}" for port in ("sbuf", "x", "w")]
    groups = range(config.partitions // GROUP_PARTITIONS if config.tensor.quads else 0)
    background = ("head.background", "array.bits", "psum_slice.moved") if config.tensor.background else ()
    return Cut(
        config=config,
        blocks=("head", "array", "tensor_edge", "sbuf_slice", "psum_slice", *(f"scales_{n}" for n in groups)),
        drive=("sequencer.tensor", "dma_lane.sbuf", *(("sequencer.seeding",) * config.stochastic_sums)),
        show=(
            *(f"head.{bit}" for bit in (*BITS, "frame", "control", "wave")),
            *(*edge, "array.p", "psum_slice.commit"),
            *background,
        ),
    )


class Accepted(NamedTuple):
    """In which cycle a command was first valid, and in which it was accepted."""

    instruction: Instruction
    arrival: int
    cycle: int


class _Model(TensorModel):
    """By the core's port names; what no command or valid goes with is None."""

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        out = super().comb(inputs)
        parts = {name: part and part._asdict() for name, part in out["control"]._asdict().items()}
        if parts["read"]:
            parts["read"]["count"] = parts["read"].pop("partitions")
        if self.config.tensor.quads:
            places = out["control"].lookup or Lookup(None, None)
            parts["lookup"] = {kind: place and place._asdict() for kind, place in places._asdict().items()}
        else:
            del parts["lookup"]
            for name in ("scale", "entry") if parts["read"] else ():
                del parts["read"][name]
        if not self.config.tensor.background:
            del parts["turn"]
        elif parts["turn"]:
            parts["turn"]["count"] = parts["turn"].pop("partitions")
        if not self.config.tensor.sparse and parts["read"]:
            for name in ("tags", "ratio", "units"):
                del parts["read"][name]
        for part in filter(None, (parts["group"], parts["column"])):
            if not self.config.cfp8:
                del part["offset"]
            if len(self.config.tensor.operands) == 1:  # nothing tells formats apart
                part["dtype"] = 0
        if self.config.tensor.background:
            out |= self._background(out)
        return out | {
            **{f"head__{bit}": int(out[bit]) for bit in BITS},
            "sequencer__tensor__ready": None if inputs["command"] is None else int(out["ready"]),
            "head__frame": inputs["frame"],
            "head__control": parts,
            "head__wave": out["wave"]._asdict() if out["wave"] else 0,
            "tensor_edge__sbuf": out["sbuf"],
            "tensor_edge__x": self._x(out["x"]),
            "tensor_edge__w": self._w(out["w"]),
            "array__p": Known(_packed(out["p"]), _packed(self.array.known * 0xFFFFFFFF)),
            "psum_slice__commit": out["commit"],
        }

    def _background(self, out: dict[str, Any]) -> dict[str, Any]:
        bits = self.array.bits
        assert bits is not None
        (words, valid), above = bits.bottom(), 1 << BACKGROUND_BITS
        whole = 2 * above - 1
        return {
            "head__background": out["background"]._asdict() if out["background"] else 0,
            "array__bits": Known((words | valid << BACKGROUND_BITS).tolist(), np.where(valid, whole, above).tolist()),
            "psum_slice__moved": out["moved"],
        }

    def _x(self, x: dict[str, Any]) -> list[int]:
        bits = self.config.tensor.operand_bits
        packed = x["operand"] | x["active"].astype(np.int64) << bits
        packed |= x["swap"].astype(np.int64) << bits + 1
        packed |= x["paired"].astype(np.int64) << bits + 2
        if self.config.tensor.background:
            packed |= x["turn"].astype(np.int64) << x_edge(self.config.tensor)["turn"].offset
        rows: list[int] = packed.tolist()
        if not self.config.tensor.sparse:
            return rows
        layout = x_edge(self.config.tensor)
        sparse, low = layout["sparse"].offset, layout["candidates"].offset
        return [
            row | int(flag) << sparse | sum(each << low + n * OPERAND_BITS for n, each in enumerate(candidates))
            for row, flag, candidates in zip(rows, x["sparse"], x["candidates"].tolist(), strict=True)
        ]

    def _w(self, w: dict[str, Any]) -> list[dict[str, Any] | int]:
        words = w["operands"]
        rows = range(len(words))
        out = [{"operands": words[p].tolist(), "tag": w["tag"][p], "valid": 1} if w["valid"][p] else 0 for p in rows]
        if self.config.tensor.sparse:
            out = [each and each | {"picks": w["picks"][p].tolist()} for p, each in zip(rows, out, strict=True)]
        return out


class TensorBench(SideBySide):
    """Loads SBUF, runs command streams, and counts what happened."""

    unreset = DATA

    def __init__(self, dut: Any, config: CoreConfig, rng: random.Random, *, specials: float = 0.02) -> None:
        shown = {"array__p": partial(_finalised, config)}
        whole = ("tensor_edge__x", "tensor_edge__w")
        model = _Model(config)
        super().__init__(dut, tensor_cut(config), model, name="tensor engine", whole=whole, shown=shown)
        self.config, self.rng, self._specials = config, rng, specials
        self.dma_reads = 0.0
        self._depth = finish_depth(config, Channel.MATMUL)
        self.accepted: list[Accepted] = []
        self.columns: list[int] = []
        """Cycles in which a column was at the edge of row 0."""
        self.finishes: dict[str, list[int]] = {name: [] for name in ENDS}

    def renewed(self) -> _Model:
        new = _Model(self.config)
        with_memory(new.sbuf, self.model.sbuf)
        with_memory(new.psum, self.model.psum)
        return new

    def idle(self) -> dict[str, Any]:
        count = self.config.partitions
        dma = {name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")}
        dma["data"] = np.zeros((count, self.config.sbuf.word_bytes), np.uint8)
        seeding = {"start": 0, "seed": 0}
        return {"command": None, "frame": self.cycle % PHASES, "dma": dma, "seeding": seeding}

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        dma = inputs["dma"] if inputs["dma"]["enable"].any() else 0
        named = {**stream("sequencer__tensor", inputs["command"]), "dma_lane__sbuf": dma}
        return super().packed(named | {"sequencer__seeding": inputs["seeding"]})

    async def fill(self) -> None:
        """From reset on: every word of the windows gets random bf16 numbers, then registers and PSUM are defined."""
        await self.start()
        if self.config.stochastic_sums:
            await self.step(self.idle() | {"seeding": {"start": 1, "seed": self.rng.getrandbits(32)}})
        for bank in range(self.config.sbuf.banks):
            first = window(self.config, bank) // self.config.sbuf.word_bytes
            for word in range(SBUF_WINDOW // self.config.sbuf.word_bytes):
                await self.step(self.idle() | {"dma": self._write(first + word)})
        await self.warm_up()

    async def warm_up(self) -> None:
        """After a reset: columns and commits are compared from here on."""
        await self.run(warm_up(self.config))
        self.undefined = ()

    async def place(self, address: int, rows: NDArray[np.uint8]) -> None:
        """Bytes [P, n], whole words, into SBUF from word `address` on."""
        word = self.config.sbuf.word_bytes
        for n in range(rows.shape[1] // word):
            await self.step(self.idle() | {"dma": self._word(address + n, rows[:, n * word : (n + 1) * word])})

    def _word(self, address: int, data: NDArray[np.uint8]) -> dict[str, Any]:
        ones = np.ones(self.config.partitions, np.int64)
        granules = ones * ((1 << (self.config.sbuf.word_bytes // 4)) - 1)
        return {"enable": ones, "write": ones, "address": ones * address, "granules": granules, "data": data}

    def _write(self, address: int) -> dict[str, Any]:
        """The same word in all partitions, other data in each: bf16 numbers, which are numbers of any type, but for
        some words of one type's elements, with its zeros, subnormals, infinities and NaNs.
        """
        count, word = self.config.partitions, self.config.sbuf.word_bytes
        numbers = np.array([self._number() for _ in range(count * word // 2)], "<u2").reshape(count, word // 2)
        data = numbers.view(np.uint8)
        values = np.random.default_rng(self.rng.getrandbits(32))
        if self.config.tensor.quads and address >= scale_window(self.config) // word:
            return self._word(address, random_scales(values, data.shape))
        for row in data:
            if self.rng.random() < OF_ONE_TYPE:
                form = self.rng.choice(self.config.tensor.operands)
                row[:] = random_elements(values, form, (word // form.bytes,), specials=0.3).view(np.uint8)
        return self._word(address, data)

    def _number(self) -> int:
        if self.rng.random() < self._specials:
            return self.rng.choice(SPECIALS)
        return self.rng.getrandbits(1) << 15 | self.rng.randint(120, 134) << 7 | self.rng.getrandbits(7)

    async def run(self, commands: Sequence[Command], *, until: int | None = None) -> None:
        """The commands one after the other until the engine is idle; or until about the cycle `until`. Matmuls and
        transposes wait, as in the sequencer, while `finish_depth` of them are under way.
        """
        for command in commands:
            for _ in range(command.gap):
                await self._cycle(None)
            while command.instruction.opcode not in LOADS and self._full():
                await self._cycle(None)
            arrival = self.cycle
            while not (await self._cycle(command.instruction))["ready"]:
                assert self.cycle < arrival + LONGEST_WAIT, f"{command} waits since cycle {arrival}"
            self.accepted.append(Accepted(command.instruction, arrival, self.cycle - 1))
            if until is not None and self.cycle >= until:
                return
        while (await self._cycle(None))["active"]:
            pass

    def _full(self) -> bool:
        """No more may be under way: only where the head keeps their order does it matter."""
        return bool(self.config.tensor.background) and self.model.head.under_way >= self._depth

    async def _cycle(self, command: Instruction | None) -> dict[str, Any]:
        inputs = self.idle() | {"command": command}
        if self.dma_reads:  # of initialised words in slot 3: what port B shows then must not reach the engine
            rows = np.arange(self.config.partitions)
            mine = (inputs["frame"] - rows * self.config.tensor.add_stages) % SLOTS == DMA_SLOT
            inputs["dma"]["enable"] = (mine & (self.rng.random() < self.dma_reads)).astype(np.int64)
            word = self.rng.randrange(SBUF_WINDOW // self.config.sbuf.word_bytes)
            inputs["dma"]["address"] = inputs["dma"]["enable"] * word
        return await self.step(inputs)

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        command = inputs["command"]
        if command is not None and out["ready"]:
            self.tags["tensor"] = command["tag"]
        groups, column = out["control"].group, out["control"].column
        if column is not None:
            self.columns.append(self.cycle)
            self.seen["swap"] += column.swap
            self.seen["pairs"] += column.paired
            self.seen["moved columns"] += column.offset != 0
            self.seen["candidates"] += column.ratio > 0
            self.seen["quads"] += FORMAT_OF_CODE[column.dtype] in QUADS
        for name, cycles in self.finishes.items():
            if out[name]:
                cycles.append(self.cycle)
        self.seen["moved weights"] += groups is not None and groups.offset != 0
        self.seen["tiles apart"] += groups is not None and groups.apart
        self.seen["load overlaps columns"] += groups is not None and column is not None
        self.seen["stalled"] += out["stalled"]
        head = self.model.head
        self.seen["all buffers held"] += head.buffers_held == self.config.tensor.moving_buffers
        if command is not None and not out["ready"]:
            self.seen[f"{_NAMES.get(command.opcode, 'load')} waits"] += 1
        self.seen["matmul waits for bits"] += head.waits_for_bits
        self.seen["turn"] += out["control"].turn is not None
        self.seen["bits beside columns"] += column is not None and out["background"] is not None
        self.seen["told late"] += head.told_late
        if out["wave"] is not None:
            self.seen["accumulate" if out["wave"].accumulate else "overwrite"] += 1
            self.seen["tile of columns"] += out["wave"].first > 0
            self.seen["half a word"] += out["wave"].halves in (1, 2)
            self.seen["bf16 added"] += out["wave"].halves in (1, 2) and out["wave"].accumulate
            self.seen["bf16 by random bits"] += out["wave"].rounding


def _packed(words: NDArray[Any]) -> int:
    return sum(int(word) << (32 * p) for p, word in enumerate(words))


def _finalised(config: CoreConfig, words: int) -> int:
    parts = [words >> (CHAIN_BITS * p) & ((1 << CHAIN_BITS) - 1) for p in range(config.partitions)]
    done = finalised_words(np.array(parts), subnormals=config.tensor.subnormals)
    return sum(int(value) << (32 * p) for p, value in enumerate(done))
