"""Everything around the sequencer in its benches: instruction memory and engines, beside the model in each cycle."""

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from makalu.hw.sequencer.semaphores import COUNTER_BITS
from makalu.hw.sequencer.sequencer import Sequencer
from makalu.sim_models.lockstep.sequencer import SequencerModel
from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS, STREAMS, Channel
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.sequencer import CHANNEL_OF
from verif.lib.axi_rules import AxiRules
from verif.lib.sampling import sample, start_clock
from verif.lib.side_by_side import SideBySide
from verif.sequencer.host import Host

__all__ = ["CONTROL_INPUTS", "ERRORS", "FINISHES", "Environment"]

FINISHES = {channel: row.finish for channel, row in CHANNELS.items()}
ERRORS = {channel: row.error for channel, row in CHANNELS.items() if row.error}
_WRITE_INPUTS = ("aw__valid", "aw__addr", "w__valid", "w__data", "w__strb", "b__ready")
_READ_INPUTS = ("ar__valid", "ar__addr", "r__ready")
CONTROL_INPUTS = tuple(f"control__{port}" for port in (*_WRITE_INPUTS, *_READ_INPUTS))


class _Model(SequencerModel):
    def tick(self, inputs: dict[str, Any], out: dict[str, Any] | None = None) -> None:
        super().tick(inputs)


class Environment(Host, SideBySide):
    """Feeds the sequencer, answers for the engines; `step` without inputs goes on by itself.

    `chance`: probability that an engine is ready, a memory beat or address is taken, a host transfer moves on.
    `delay`: longest time of an instruction in an engine. `watch_control`: the control port has another master (its
    inputs are sampled); else `write` and `read` work.
    """

    def __init__(self, dut, config: CoreConfig, *, seed: int, chance=0.6, delay=20, latency=6, watch_control=False):
        super().__init__(dut, Sequencer(config=config), _Model(config), name="sequencer")
        self.config = config
        self.rng = random.Random(seed)
        self.chance, self.delay, self.latency = chance, delay, latency
        self.least_delay = 0
        self.silent = False
        """Engines keep what they have, stalled."""
        self.memory: dict[int, bytes] = {}
        self.base = 0
        """Where a test's programs begin."""
        self.broken_addresses: set[int] = set()
        self.bus_error_tags: set[int] = set()
        self.issued: list[tuple[Channel, int]] = []
        self.flushed: set[Channel] = set()
        self._watch = watch_control
        self._preset: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        rules = AxiRules("instructions", data_bytes=self.config.bus.instruction_bytes, channels=("ar",))
        self.rules = rules
        self._bursts: deque[tuple[int, int]] = deque()
        self._beats: deque[tuple[int, int, bool]] = deque()
        """Data, response and whether it is its burst's last."""
        self._engines: dict[Channel, deque[tuple[int, int]]] = {c: deque() for c in Channel}
        self._inputs = self.idle()
        self._outputs: dict[str, Any] = {}

    # the step

    def renewed(self) -> _Model:
        self._forget()
        return _Model(self.config)

    async def reset(self) -> None:
        """Reset; the clock is another's where the control port is."""
        if not self._watch:
            start_clock(self.dut)
        await self._reset()

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        mine = {name: int(inputs[name]) for name in self.inputs}
        return {name: value for name, value in mine.items() if not (self._watch and name in CONTROL_INPUTS)}

    async def settled(self, inputs: dict[str, Any]) -> None:
        """In the middle of the cycle, where counters can be written."""
        await FallingEdge(self.dut.clk)
        if self._watch:
            inputs |= {name: int(self.dut[name].value) for name in CONTROL_INPUTS}
        self.rules.check(self.cycle, sample(self.dut, self.rules.signals))

    async def step(self, inputs: dict[str, Any] | None = None, **control: int) -> dict[str, Any]:
        """One cycle; `control` drives the control port. Returns the outputs."""
        inputs = self._next_inputs() | control if inputs is None else inputs
        self._outputs = await super().step(inputs)
        self._inputs = inputs
        await RisingEdge(self.dut.clk)
        return self._outputs

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        self._write_semaphores(out)
        self._react(inputs, out)

    def preset_semaphores(self, values: dict[int, int]) -> None:
        """In the next cycle these counters of RTL and model are overwritten, as no program could in an hour."""
        self._preset = values

    def _write_semaphores(self, out: dict[str, Any]) -> None:
        """In the middle of a cycle in which no queue issues, so that nothing of it is already settled."""
        if not self._preset:
            return
        assert not out["trace_issue"] and not out["semaphore_update"], "counters are preset while an instruction issues"
        self.model.preset(self._preset)
        packed = sum(value << (COUNTER_BITS * s) for s, value in enumerate(self.model.semaphores))
        self.dut.semaphore.values.value = packed
        self._preset = {}

    # memory and engines

    def drained(self) -> bool:
        return not (self._beats or self._bursts or any(self._engines.values()))

    def _next_inputs(self) -> dict[str, int]:
        rng, inputs = self.rng, dict(self._inputs)
        for name in STREAMS:
            inputs[f"{name}__ready"] = rng.random() < self.chance
        inputs["instructions__ar__ready"] = rng.random() < self.chance
        valid = bool(self._beats) and self._beats[0][1] >= 0 and rng.random() < self.chance
        data, resp, last = self._beats[0] if valid else (rng.getrandbits(8), 0, False)
        inputs |= {"instructions__r__valid": valid, "instructions__r__data": data}
        inputs |= {"instructions__r__resp": resp, "instructions__r__last": last}
        for port in (*FINISHES.values(), *ERRORS.values()):
            inputs[port] = 0
        for channel, work in self._engines.items():
            if work and work[0][0] <= self.cycle and not self.silent:
                failed = channel in ERRORS and work[0][1] in self.bus_error_tags
                inputs[ERRORS[channel] if failed else FINISHES[channel]] = 1
        inputs["active"] = sum(any(self._engines[c] for c in QUEUE_CHANNELS[q]) << q for q in Queue)
        stalled = (1 << len(Queue)) - 1 if self.silent else rng.getrandbits(len(Queue))
        inputs["stalled"] = inputs["active"] & stalled
        return inputs

    def _react(self, inputs: dict[str, int], out: dict[str, int]) -> None:
        if inputs["instructions__r__valid"]:
            self._beats.popleft()
        if out["instructions__ar__valid"] and inputs["instructions__ar__ready"]:
            self._bursts.append((self.cycle + self.latency, out["instructions__ar__addr"]))
        if self._bursts and self._bursts[0][0] <= self.cycle:
            _, address = self._bursts.popleft()
            word = self.memory.get(address, b"\xff" * INSTRUCTION_BYTES)
            width = self.config.bus.instruction_bytes
            bad = self.rng.randrange(INSTRUCTION_BYTES // width) if address in self.broken_addresses else None
            for n in range(INSTRUCTION_BYTES // width):
                resp = self.rng.choice((Response.SLVERR, Response.DECERR)) if n == bad else Response.OKAY
                beat = int.from_bytes(word[n * width : (n + 1) * width], "little")
                self._beats.append((beat, int(resp), n == INSTRUCTION_BYTES // width - 1))
        for channel, work in self._engines.items():
            if channel in ERRORS and inputs[ERRORS[channel]]:
                work.clear()
                self.flushed.add(channel)
            elif inputs[FINISHES[channel]]:
                work.popleft()
        for name in STREAMS:
            if out[f"{name}__valid"] and inputs[f"{name}__ready"]:
                self._issue(name, out[f"{name}__payload"], inputs)

    def _issue(self, name: str, word: int, inputs: dict[str, int]) -> None:
        channel = CHANNEL_OF[Opcode(word & FIELDS["opcode"].high)]
        tag = (word >> FIELDS["tag"].lsb) & FIELDS["tag"].high
        self.issued.append((channel, tag))
        self.tags[channel.name.lower()] = tag
        if channel in ERRORS and inputs[ERRORS[channel]]:
            return  # forgotten with the rest of its channel
        work = self._engines[channel]
        earliest = max(self.cycle + 1, work[-1][0] + 1 if work else 0)
        work.append((earliest + self.least_delay + self.rng.randrange(self.delay), tag))


cocotb.log.setLevel("WARNING")
