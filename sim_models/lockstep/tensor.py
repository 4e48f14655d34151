"""Lockstep models of head, edges, SBUF, array and PSUM, connected as in the core."""

from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES

from .array import ArrayModel
from .gather import GatherModel
from .psum import PsumModel
from .sbuf import SbufModel
from .tensor_edge import TensorEdgesModel
from .tensor_head import TensorHeadModel

__all__ = ["TensorModel"]

_IDLE_ACCESS = {"enable": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": 0}


class TensorModel:
    """The tensor engine with its memories; nothing else writes PSUM, DMA may use port B of SBUF.

    Inputs of a cycle: `command`, `frame` (see `TensorHeadModel`), `dma` (see `SbufModel`); `seeding` (see `PsumModel`).

    Outputs: those of the head, `sbuf`, `x`, `w` (see `TensorEdgesModel`), `rows` (x and w of the array, see
    `ArrayModel`), `p` (finalised fp32 of the columns, uint32
    [P]), `commit` and, where there are background transposes, `moved` (see `PsumModel`), `slices` (see `SbufModel`).

    `tick` takes what `comb` gave for the same inputs in the same cycle, if the caller has it.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.head = TensorHeadModel(config)
        self.edges = TensorEdgesModel(config)
        self.sbuf = SbufModel(config)
        self.gather = GatherModel(config) if config.tensor.sparse else None
        self.array = ArrayModel(config)
        self.psum = PsumModel(config)
        self._write_data = np.zeros((ENGINES, config.partitions, config.sbuf.word_bytes), np.uint8)
        self._access = [dict(_IDLE_ACCESS) for _ in range(ENGINES)]

    def _sbuf_inputs(self, inputs: dict[str, Any], tensor: dict[str, Any]) -> dict[str, Any]:
        return {"access": self._access, "write_data": self._write_data, "tensor": tensor, "dma": inputs["dma"]}

    def _psum_inputs(self, out: dict[str, Any]) -> dict[str, Any]:
        background = {}
        if self.array.bits is not None:
            into = self.psum.background_in(out["background"])
            background = {"bits": out["bits"], "background_in": into}
        return {"column": out["p"], "wave_in": self.psum.wave_in(out["wave"]), "access": self._access, **background}

    def _head_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {**inputs, "fault": self.edges.fault}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        out = self.head.comb(self._head_inputs(inputs))
        idle = {"enable": np.zeros(self.config.partitions, bool), "address": np.zeros(self.config.partitions, np.int64)}
        out["slices"] = self.sbuf.comb(self._sbuf_inputs(inputs, idle))  # the tensor engine's reads show a cycle later
        b_data = out["slices"]["b_data"]
        out |= self.edges.comb({"control": out["control"], "sbuf_data": b_data})
        edges = {name: out[name] for name in ("x", "w")}
        out["rows"] = edges if self.gather is None else self.gather.comb(edges)
        out["p"] = self.array.comb()
        if self.array.bits is not None:
            out["bits"], _ = self.array.bits.bottom()
            out["moved"] = self.psum.moved(out["bits"])
        out["commit"] = self.psum.comb(self._psum_inputs(out))["commit"]
        return out

    def tick(self, inputs: dict[str, Any], out: dict[str, Any] | None = None) -> None:
        out = out or self.comb(inputs)
        self.head.tick(self._head_inputs(inputs), out)
        self.edges.tick({"control": out["control"], "sbuf_data": out["slices"]["b_data"]}, out)
        self.sbuf.tick(self._sbuf_inputs(inputs, out["sbuf"]), out["slices"])
        if self.gather is not None:
            self.gather.tick(out)
        self.array.tick(**out["rows"])
        seeding = {"seeding": inputs["seeding"]} if self.config.stochastic_sums else {}
        self.psum.tick(self._psum_inputs(out) | seeding)
