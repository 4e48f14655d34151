"""The DMA's lockstep model in front of the `fixed` memory, without RTL: for the timing model and for throughput."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from makalu.sim_models.lockstep.dma import DmaModel
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.frame import PHASES
from makalu.spec.isa import Opcode
from makalu.spec.memory import MemoryTiming
from verif.dma.programs import MEMORY_BYTES

__all__ = ["CHANNELS", "Record", "run_model"]

LIMIT = 100_000
CHANNELS = {"load": Opcode.DMA_LOAD, "store": Opcode.DMA_STORE}


@dataclass
class Record:
    """Cycles of issues and finishes of each channel, and of the handshakes on R and W."""

    issues: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in CHANNELS})
    finishes: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in CHANNELS})
    beats: dict[str, list[int]] = field(default_factory=lambda: {"r": [], "w": []})


def run_model(
    config: CoreConfig,
    timing: MemoryTiming,
    program: Mapping[str, Sequence[Instruction]],
    gaps: Mapping[str, Sequence[int]],
) -> Record:
    """Runs both channels to their ends; descriptor n is offered `gaps[n]` cycles after n - 1 was accepted."""
    model, record = DmaModel(config), Record()
    memory = FixedMemory(
        memory=np.zeros(MEMORY_BYTES, np.uint8), timing=timing, data_bytes=config.bus.data_bytes, instruction_bytes=8
    )
    waiting = {name: list(zip(program[name], gaps[name], strict=True)) for name in CHANNELS}
    due = {name: 1 + (waiting[name][0][1] if waiting[name] else 0) for name in CHANNELS}
    delays = np.arange(config.partitions) * config.tensor.add_stages
    sbuf_data = np.zeros((config.partitions, config.sbuf.word_bytes), np.uint8)
    constant = {"size": config.bus.data_bytes.bit_length() - 1, "burst": BURST_INCR, "id": 0}
    fixed = {f"data__{channel}__{name}": value for channel in ("ar", "aw") for name, value in constant.items()}
    fixed |= {f"instructions__ar__{name}": value for name, value in {**constant, "valid": 0, "addr": 0}.items()}
    fixed |= {"instructions__ar__len": 0, "instructions__r__ready": 1}
    names: dict[str, str] = {}
    answers: dict[str, str] = {}
    for cycle in range(LIMIT):
        inputs: dict[str, Any] = {"phase": (cycle - delays) % PHASES, "sbuf_data": sbuf_data}
        out = model.comb(inputs)
        names = names or {name: name.replace("bus__", "data__") for name in out if name.startswith("bus__")}
        ports = fixed | {there: out[here] for here, there in names.items()}
        seen = memory.comb(ports)
        answers = answers or {name: name.replace("data__", "bus__") for name in seen}
        inputs |= {here: seen[there] for there, here in answers.items()}
        for name in CHANNELS:
            offered = waiting[name][0][0] if waiting[name] and cycle >= due[name] else None
            inputs[name] = offered
            if offered is not None and out[f"{name}_ready"]:
                record.issues[name].append(cycle)
                waiting[name].pop(0)
                due[name] = cycle + 1 + (waiting[name][0][1] if waiting[name] else 0)
            if out[f"finish_{name}"]:
                record.finishes[name].append(cycle)
        both = ports | seen
        for name in record.beats:
            if both[f"data__{name}__valid"] and both[f"data__{name}__ready"]:
                record.beats[name].append(cycle)
        model.tick(inputs)
        memory.tick(ports, seen)
        if all(len(record.finishes[name]) == len(program[name]) for name in CHANNELS):
            return record
    raise AssertionError(f"not done after {LIMIT} cycles")
