"""Lockstep model of the whole core: the models of all blocks, connected as `hw/core.py` connects the blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, decode
from makalu.spec.engines import ACCESS_ENGINES, CHANNELS, STREAMS, StreamSpec
from makalu.spec.frame import PHASES
from makalu.spec.isa import INSTRUCTION_BYTES

from .arbiter import AccessArbiterModel
from .array import ArrayModel
from .dma import DmaModel
from .gather import GatherModel
from .lanes import LaneEngineModel, LanesModel
from .psum import PsumModel
from .sbuf import SbufModel
from .sequencer import SequencerModel
from .taking_part import constant
from .tensor_edge import TensorEdgesModel
from .tensor_head import TensorHeadModel

__all__ = ["CoreModel"]

_NOT_READY = {f"{name}__ready": 0 for name in STREAMS}
_BURST = ("ar", "aw")
_DATA_PORTS = (
    *(f"{channel}__{name}" for channel in _BURST for name in ("valid", "addr", "len")),
    *("r__ready", "b__ready", "w__valid", "w__data", "w__strb", "w__last"),
)
"""What the DMA drives of the port `data`; size, burst and id never change."""
_DATA_ANSWERS = ("ar__ready", "r__valid", "r__data", "r__resp", "aw__ready", "w__ready", "b__valid", "b__resp")
"""What it looks at."""


class CoreModel:
    """Every observed port of the core, cycle by cycle, from the handshakes and data of its three AXI ports.

    Inputs by port name: `control__*` (AXI-Lite, driven by the host), `data__*` and `instructions__*` as the memory
    drives them. Outputs of `comb`: `control__*` and `irq`; `data__*`, `instructions__*` as the core drives them
    (payload 0 or None while not valid); and the fields of `spec/observe.py` by name: `issue`, `finish`,
    `semaphores`, `owned` (ints, packed as on the port), `committed` (0 or 1), `columns` (finalised fp32, uint32 [P];
    with `columns_used` bool [P]: a moving column's result passes, all others are open), `psum` (arrays valid, address,
    data [P]; `psum_moved` too where there are background transposes), `sbuf_vector`, `sbuf_scalar`, `sbuf_dma` (arrays
    enable, address, granules [P], data uint8 [P, W]), and `defined_vector`, `defined_scalar`, `defined_dma` (bool [P,
    W]: bytes of the data that a lane placed or memory sent, or that the word is known to hold where a merge repeats
    it).

    `masters()` is what the AXI masters show before anything else of the cycle is known: they follow from state.
    `comb` is pure; `tick` is the edge. Cycle 0 is the first with `rst` low.

    Does not: hold the memory behind the AXI ports (`memory.py`) or the host.

    Parameters
    ----------
    config : CoreConfig

    Errors: none are raised for what a program, the host or the bus does; it shows in the registers and in AXI
    responses, as in the RTL. `KeyError`: an input port that the cycle looks at is missing.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.cycle = 0
        self.sequencer = SequencerModel(config)
        self.head, self.edges = TensorHeadModel(config), TensorEdgesModel(config)
        self.gather = GatherModel(config) if config.tensor.sparse else None
        self.array, self.psum, self.sbuf = ArrayModel(config), PsumModel(config), SbufModel(config)
        self.arbiter, self.dma = AccessArbiterModel(config), DmaModel(config)
        self.engines = [LaneEngineModel(config, engine=name) for name in ACCESS_ENGINES]
        self.lanes = [
            LanesModel(config, engine=name, grouped=engine.grouped)
            for name, engine in zip(ACCESS_ENGINES, self.engines, strict=True)
        ]
        self._rows = np.arange(config.partitions)
        delays = self._rows * config.tensor.add_stages
        self._phases = [constant((cycle - delays) % PHASES) for cycle in range(PHASES)]
        self._decoded: dict[int, Instruction] = {}
        self._settled: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._dma_out: dict[str, Any] | None = None

    def masters(self) -> dict[str, int]:
        """Outputs of the AXI masters `instructions` and `data` in this cycle."""
        fetch = {name: int(value or 0) for name, value in self.sequencer.fetch.comb().items()}
        return fetch | self._bus(fetch)

    def comb(self, inputs: Mapping[str, int]) -> dict[str, Any]:
        out = self.blocks(inputs)
        sequencer, sbuf, commit = out["sequencer"], out["sbuf"], out["psum"]["commit"]
        defined = [placed["known"] & bytes_ for placed, bytes_ in zip(out["lanes"], sbuf["defined_a"], strict=True)]
        wave = self.psum.wave
        moved = {}
        if self.array.bits is not None:
            moved = {"psum_moved": self.psum.moved(out["bits"])}
        return {
            **{name: value for name, value in sequencer.items() if name.startswith(("control__", "instructions__"))},
            **self._bus(sequencer),
            "irq": sequencer["irq"],
            "issue": sequencer["trace_issue"],
            "finish": sequencer["trace_finish"],
            "committed": int(any(each["valid"].any() for each in (commit, *moved.values()))),
            "semaphores": sequencer["semaphores"],
            "owned": out["head"]["owned"],
            "columns": out["p"],
            "columns_used": self.psum.wave_part(wave),
            "psum": commit,
            **moved,
            **{f"sbuf_{name}": sbuf["written_a"][e] for e, name in enumerate(ACCESS_ENGINES)},
            "sbuf_dma": sbuf["written_b"],
            **{f"defined_{name}": defined[e] for e, name in enumerate(ACCESS_ENGINES)},
            "defined_dma": sbuf["defined_b"],
        }

    def tick(self, inputs: Mapping[str, int]) -> None:
        out = self.blocks(inputs)
        self._settled = self._dma_out = None
        seeding = {"seeding": self.sequencer.seeding(out["to_sequencer"])} if self.config.stochastic else {}
        self.sequencer.tick(out["to_sequencer"])
        self.head.tick(out["to_head"])
        self.edges.tick({"control": out["head"]["control"], "sbuf_data": out["sbuf"]["b_data"]}, out["edges"])
        if self.gather is not None:
            self.gather.tick(out["edges"])
        self.array.tick(**out["rows"])
        to_psum = {"column": out["p"], "wave_in": self.psum.wave_in(out["head"]["wave"])}
        if self.array.bits is not None:
            to_psum |= {"background_in": self.psum.background_in(out["head"]["background"])}
            to_psum["bits"] = out["bits"]
        self.psum.tick({**to_psum, "access": out["arbiter"]["psum_command"], **seeding})
        self.sbuf.tick(out["to_sbuf"], out["sbuf"])
        for e, (engine, lanes) in enumerate(zip(self.engines, self.lanes, strict=True)):
            engine.tick(out["to_engines"][e])
            lanes.tick(
                {
                    "control": out["engines"][e]["to_lanes"],
                    "sbuf_data": out["sbuf"]["read_data"][e],
                    "psum_data": out["psum"]["read_data"][e],
                    **seeding,
                }
            )
        self.arbiter.tick(out["to_arbiter"])
        self.dma.tick(
            {
                **{f"bus__{port}": inputs[f"data__{port}"] for port in _DATA_ANSWERS},
                "phase": self._phase(),
                "load": out["commands"]["dma_load"],
                "store": out["commands"]["dma_store"],
                "sbuf_data": out["sbuf"]["b_data"],
            }
        )
        self.cycle += 1

    def _phase(self) -> Any:
        return self._phases[self.cycle % PHASES]

    def _dma(self) -> dict[str, Any]:
        """What the DMA shows in this cycle; it follows from state alone."""
        if self._dma_out is None:
            self._dma_out = self.dma.comb({"phase": self._phase()})
        return self._dma_out

    def _bus(self, fetch: Mapping[str, int | None]) -> dict[str, int]:
        """The port `data`; bursts are of the kind of those of the port `instructions`."""
        dma = self._dma()
        out = {f"data__{port}": int(dma[f"bus__{port}"]) for port in _DATA_PORTS}
        size = self.config.bus.data_bytes.bit_length() - 1
        for channel in _BURST:
            out[f"data__{channel}__size"] = size
            for name in ("burst", "id"):
                out[f"data__{channel}__{name}"] = int(fetch[f"instructions__ar__{name}"] or 0)
        return out

    def instruction(self, word: int | None) -> Instruction | None:
        """A decoded command; each word is decoded once."""
        if word is None:
            return None
        if word not in self._decoded:
            self._decoded[word] = decode(word.to_bytes(INSTRUCTION_BYTES, "little"))
        return self._decoded[word]

    def blocks(self, inputs: Mapping[str, int]) -> dict[str, Any]:
        """Outputs of every block in this cycle by its name, inputs as `to_<block>`, each after what it depends on."""
        if self._settled is not None and self._settled[0] == inputs:
            return self._settled[1]
        frame = self.cycle % PHASES
        # what follows from state alone
        engines = [engine.registered() for engine in self.engines]
        orders = [{"control": engine["to_lanes"]} for engine in engines]
        out: dict[str, Any] = {
            "dma": self._dma(),
            "p": self.array.comb(),
            "lanes": [lanes.comb(control) for lanes, control in zip(self.lanes, orders, strict=True)],
            "psum": self.psum.comb({}),
        }
        if self.array.bits is not None:
            out["bits"], _ = self.array.bits.bottom()
        to_head = {"command": None, "frame": frame, "fault": self.edges.fault}
        head = self.head.comb(to_head)
        # arbiter: requests and owned banks are registers
        out["to_arbiter"] = {
            "request": [engine["request"] for engine in engines],
            "psum_request": [engine["psum_request"] for engine in engines],
            "owned": head["owned"],
        }
        out["arbiter"] = arbiter = self.arbiter.comb(out["to_arbiter"])
        # queues: whose head waits for an engine does not depend on the engine
        to_sequencer = {**inputs, **_NOT_READY, **self._to_sequencer(head, engines, out["dma"], arbiter)}
        asked = self.sequencer.comb(to_sequencer)
        commands = {
            name: self.instruction(asked[f"{name}__payload"]) if asked[f"{name}__valid"] else None for name in STREAMS
        }
        out["commands"] = commands
        out["to_head"] = to_head | {"command": commands["tensor"]}
        out["head"] = self.head.comb(out["to_head"])
        shown = self._shown(out["head"], engines, out["dma"])
        ready = {f"{name}__ready": int(shown[row.engine][_ready(row)]) for name, row in STREAMS.items()}
        out["to_sequencer"] = {**to_sequencer, **ready}
        out["sequencer"] = self.sequencer.comb(out["to_sequencer"]) if any(commands.values()) else asked
        out["engines"] = engines
        out["to_engines"] = [
            {
                "command": commands[name],
                "grant": arbiter["grant"] >> e & 1,
                "psum_grant": arbiter["psum_grant"] >> e & 1,
            }
            for e, name in enumerate(ACCESS_ENGINES)
        ]
        # SBUF
        out["edges"] = self.edges.comb({"control": out["head"]["control"], "sbuf_data": self.sbuf.b_data})
        edges = {name: out["edges"][name] for name in ("x", "w")}
        out["rows"] = edges if self.gather is None else self.gather.comb(edges)
        out["to_sbuf"] = {
            "access": arbiter["command"],
            "write_data": np.array([lanes["write_data"] for lanes in out["lanes"]]),
            "tensor": out["edges"]["sbuf"],
            "dma": out["dma"]["sbuf"],
        }
        out["sbuf"] = self.sbuf.comb(out["to_sbuf"])
        self._settled = (dict(inputs), out)
        return out

    def _to_sequencer(
        self, head: dict[str, Any], engines: list[dict[str, Any]], dma: dict[str, Any], arbiter: dict[str, Any]
    ) -> dict[str, int]:
        shown = self._shown(head, engines, dma)
        for e, name in enumerate(ACCESS_ENGINES):
            waits = engines[e]["request"]["valid"] and not arbiter["grant"] >> e & 1
            psum_waits = engines[e]["psum_request"]["valid"] and not arbiter["psum_grant"] >> e & 1
            shown[name] = {**shown[name], "stalled": waits or psum_waits}
        out = {row.finish: int(shown[row.engine][row.port("finish")]) for row in CHANNELS.values()}
        out |= {row.error: int(shown[row.engine][row.port("error")]) for row in CHANNELS.values() if row.error}
        for kind in ("active", "stalled"):
            bits = {row.queue for row in STREAMS.values() if shown[row.engine][row.port(kind)]}
            out[kind] = sum(1 << queue for queue in bits)
        return out

    @staticmethod
    def _shown(head: dict[str, Any], engines: list[dict[str, Any]], dma: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """What each engine shows in this cycle, by its name in the table."""
        return {"tensor": head, "dma": dma, **dict(zip(ACCESS_ENGINES, engines, strict=True))}


def _ready(stream: StreamSpec) -> str:
    return f"{stream.part}_ready" if stream.part else "ready"
