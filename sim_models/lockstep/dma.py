"""Lockstep model of the DMA, engine and lanes together: bus and SBUF ports in every cycle."""

from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.frame import LOAD_PHASE, STORE_PHASE

from .dma_lane import PortB
from .dma_load import LoadChannel
from .dma_store import StoreChannel

__all__ = ["DmaModel"]


class DmaModel:
    """sbuf[p] = memory and back, cycle by cycle; every output follows from state and phase alone.

    Inputs: `load`, `store` (an `Instruction`, or None while not valid), `bus__ar__ready`, `bus__r__{valid, data,
    resp}`, `bus__aw__ready`, `bus__w__ready`, `bus__b__{valid, resp}`, `phase` [P], `sbuf_data` uint8 [P, W].
    Outputs: `load_ready`, `store_ready`, `finish_*`, `error_*`, `active_*`, `stalled_*`, `bus__*` as the RTL's ports
    (payload 0 while not valid; bytes of W without strobe are 0) and `sbuf`: arrays enable, write, address, granules
    [P], data uint8 [P, W], fresh bool [P, W] as `SbufModel` takes them.

    Does not: check a descriptor (the sequencer refuses illegal ones), hold SBUF or memory, or order loads against
    stores.

    Parameters
    ----------
    config : CoreConfig

    Errors: none are raised for what the bus does; a failed burst shows as `error_load` or `error_store`.
    `KeyError`: an input port that the cycle looks at is missing.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.cycle = 0
        self.load, self.store = LoadChannel(config), StoreChannel(config)
        self.stalled = {"load": False, "store": False}
        """In the cycle before the channel had a descriptor, and nothing of it moved on the bus or at SBUF."""

    def _accesses(self, inputs: dict[str, Any]) -> tuple[list[PortB | None], list[PortB | None]]:
        phases = [int(phase) for phase in inputs["phase"]]
        loads = [
            lane.access(self.cycle) if phase == LOAD_PHASE else None
            for lane, phase in zip(self.load.lanes, phases, strict=True)
        ]
        stores = [
            lane.access() if phase == STORE_PHASE else None
            for lane, phase in zip(self.store.lanes, phases, strict=True)
        ]
        return loads, stores

    def _sbuf(self, inputs: dict[str, Any]) -> dict[str, Any]:
        count, width = self.config.partitions, self.config.sbuf.word_bytes
        out = {name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")}
        data, fresh = np.zeros((count, width), np.uint8), np.ones((count, width), bool)
        loads, stores = self._accesses(inputs)
        for p, access in enumerate(a or b for a, b in zip(loads, stores, strict=True)):
            if access is not None:
                out["enable"][p], out["write"][p] = 1, access.write
                out["address"][p], out["granules"][p] = access.address, access.granules
                if access.write:
                    data[p], fresh[p] = np.frombuffer(access.data, np.uint8), access.fresh
        return {**out, "data": data, "fresh": fresh}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        load, store = self.load, self.store
        beat = store.beat or {"data": 0, "strb": 0, "last": 0}
        out: dict[str, Any] = {
            "load_ready": int(load.ready()),
            "store_ready": int(store.ready()),
            "finish_load": int(load.finish()),
            "finish_store": int(store.finished),
            "error_load": int(load.error()),
            "error_store": int(store.error()),
            "active_load": int(bool(load.held)),
            "active_store": int(bool(store.held)),
            **{f"stalled_{name}": int(stalled) for name, stalled in self.stalled.items()},
            "bus__r__ready": int(load.r_ready()),
            "bus__b__ready": 1,
            "bus__w__valid": int(store.beat is not None),
            **{f"bus__w__{name}": value for name, value in beat.items()},
            "sbuf": self._sbuf(inputs),
        }
        for name, channel in (("ar", load), ("aw", store)):
            out[f"bus__{name}__valid"] = int(channel.address is not None)
            for key, value in (channel.address or {"addr": 0, "len": 0}).items():
                out[f"bus__{name}__{key}"] = value
        return out

    def _moved(self, inputs: dict[str, Any]) -> dict[str, bool]:
        """A handshake on a bus channel of the load, of the store."""
        load, store = self.load, self.store
        return {
            "load": (load.address is not None and bool(inputs["bus__ar__ready"]))
            or bool(inputs["bus__r__valid"] and load.r_ready()),
            "store": (store.address is not None and bool(inputs["bus__aw__ready"]))
            or (store.beat is not None and bool(inputs["bus__w__ready"]))
            or bool(inputs["bus__b__valid"]),
        }

    def tick(self, inputs: dict[str, Any]) -> None:
        loads, stores = self._accesses(inputs)
        moved = self._moved(inputs)
        for name, channel, accesses in (("load", self.load, loads), ("store", self.store, stores)):
            still = not moved[name] and all(access is None for access in accesses)
            self.stalled[name] = still and bool(channel.held)
        sbuf_data = [row.tobytes() for row in np.asarray(inputs["sbuf_data"], np.uint8)]
        self.load.tick(self.cycle, inputs, loads, sbuf_data)
        self.store.tick(self.cycle, inputs, stores, sbuf_data)
        self.cycle += 1
