"""Everything around the sequencer in its benches: instruction memory, engines, host, and the comparison each cycle."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from makalu.hw.sequencer.semaphores import COUNTER_BITS
from makalu.sim_models.lockstep.sequencer import SequencerModel
from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS, STREAMS, Channel
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.registers import FULL_STROBE, REGISTER_BITS, REGISTER_MASK, REGISTERS, START, Status
from makalu.spec.sequencer import CHANNEL_OF
from verif.lib.axi_rules import AxiRules
from verif.lib.compare import after, compare
from verif.lib.sampling import known, sample

__all__ = ["CONTROL_INPUTS", "ERRORS", "FINISHES", "Environment"]

FINISHES = {channel: row.finish for channel, row in CHANNELS.items()}
ERRORS = {channel: row.error for channel, row in CHANNELS.items() if row.error}
_WRITE_INPUTS = ("aw__valid", "aw__addr", "w__valid", "w__data", "w__strb", "b__ready")
_READ_INPUTS = ("ar__valid", "ar__addr", "r__ready")
CONTROL_INPUTS = tuple(f"control__{port}" for port in (*_WRITE_INPUTS, *_READ_INPUTS))


class Environment:
    """Steps the RTL and the model together; each cycle compares every output port that carries something.

    `chance`: probability that an engine is ready, a memory beat or address is taken, a host transfer moves on.
    `delay`: longest time of an instruction in an engine. `watch_control`: the control port has another master (its
    inputs are sampled); else `write` and `read` work.
    """

    def __init__(self, dut, config: CoreConfig, *, seed: int, chance=0.6, delay=20, latency=6, watch_control=False):
        self.dut, self.config, self.model = dut, config, SequencerModel(config)
        self.rng = random.Random(seed)
        self.chance, self.delay, self.latency = chance, delay, latency
        self.least_delay = 0
        self.silent = False
        """Engines keep what they have, stalled."""
        self.memory: dict[int, bytes] = {}
        self.broken_addresses: set[int] = set()
        self.bus_error_tags: set[int] = set()
        self.cycle = 0
        self.issued: list[tuple[Channel, int]] = []
        self._tags: dict[str, int] = {}
        self.flushed: set[Channel] = set()
        self._watch = watch_control
        self._preset: dict[int, int] = {}
        self.rules = AxiRules("instructions", data_bytes=config.bus.instruction_bytes, channels=("ar",))
        self._bursts: deque[tuple[int, int]] = deque()
        self._beats: deque[tuple[int, int, bool]] = deque()
        """Data, response and whether it is its burst's last."""
        self._engines: dict[Channel, deque[tuple[int, int]]] = {c: deque() for c in Channel}
        self._inputs: dict[str, int] = {}
        self._handles = {name: getattr(dut, name) for name in (*self.model.comb(self._idle()), *self._idle())}
        self._driven: dict[str, int] = {}
        self._outputs: dict[str, int | None] = {}

    def _idle(self) -> dict[str, int]:
        names = [*CONTROL_INPUTS, "active", "stalled", "instructions__ar__ready"]
        names += [f"instructions__r__{p}" for p in ("valid", "data", "resp", "last", "id")]
        names += [*(f"{s}__ready" for s in STREAMS), *FINISHES.values(), *ERRORS.values()]
        return dict.fromkeys(names, 0)

    async def reset(self) -> None:
        if not self._watch:
            Clock(self.dut.clk, 2, unit="ns").start()
        self._drive({k: v for k, v in self._idle().items() if not (self._watch and k in CONTROL_INPUTS)})
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self._inputs = self._idle()

    def _drive(self, inputs: dict[str, int]) -> None:
        for name, value in inputs.items():
            if self._driven.get(name) != value:
                self._handles[name].value = value
                self._driven[name] = value

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

    async def step(self, **control: int) -> dict[str, int | None]:
        """One cycle; `control` drives the control port. Returns the outputs."""
        inputs = self._next_inputs() | control
        if self._watch:
            for name in CONTROL_INPUTS:
                inputs.pop(name)
        self._drive(inputs)
        await FallingEdge(self.dut.clk)
        if self._watch:
            inputs |= {name: int(self._handles[name].value) for name in CONTROL_INPUTS}
        self.rules.check(self.cycle, sample(self.dut, self.rules.signals))
        expected = {k: int(v) for k, v in self.model.comb(inputs).items() if v is not None}
        seen = {name: known(self._handles[name]) for name in expected}
        compare(self.cycle, seen, expected, after("sequencer", self._tags))
        self._write_semaphores(expected)
        self.model.tick(inputs)
        self._react(inputs, expected)
        self._inputs, self._outputs = inputs, expected
        await RisingEdge(self.dut.clk)
        self.cycle += 1
        return expected

    def preset_semaphores(self, values: dict[int, int]) -> None:
        """In the next cycle these counters of RTL and model are overwritten, as no program could in an hour."""
        self._preset = values

    def _write_semaphores(self, out: dict[str, int]) -> None:
        """In the middle of a cycle in which no queue issues, so that nothing of it is already settled."""
        if not self._preset:
            return
        assert not out["trace_issue"] and not out["semaphore_update"], "counters are preset while an instruction issues"
        self.model.preset(self._preset)
        packed = sum(value << (COUNTER_BITS * s) for s, value in enumerate(self.model.semaphores))
        self.dut.semaphore.values.value = packed
        self._preset = {}

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
        self._tags[channel.name.lower()] = tag
        if channel in ERRORS and inputs[ERRORS[channel]]:
            return  # forgotten with the rest of its channel
        work = self._engines[channel]
        earliest = max(self.cycle + 1, work[-1][0] + 1 if work else 0)
        work.append((earliest + self.least_delay + self.rng.randrange(self.delay), tag))

    # host

    async def write(self, name: str, value: int, *, strobe: int = FULL_STROBE, address: int | None = None) -> Response:
        where = REGISTERS[name].address if address is None else address
        lead = self.rng.randrange(-2, 3)  # the address before the data, or after
        sent = False
        count = 0
        while True:
            aw, w = not sent and count >= max(0, lead), not sent and count >= max(0, -lead)
            ready = self.rng.random() < self.chance
            out = await self.step(
                control__aw__valid=aw,
                control__aw__addr=where,
                control__w__valid=w,
                control__w__data=value,
                control__w__strb=strobe,
                control__b__ready=ready,
            )
            count += 1
            sent = sent or bool(aw and out["control__aw__ready"])
            if ready and out["control__b__valid"]:
                self._inputs["control__b__ready"] = 0
                return Response(out["control__b__resp"])

    async def read(self, name: str, *, address: int | None = None) -> tuple[int, Response]:
        where = REGISTERS[name].address if address is None else address
        sent = False
        while True:
            ready = self.rng.random() < self.chance
            out = await self.step(control__ar__valid=not sent, control__ar__addr=where, control__r__ready=ready)
            sent = sent or bool(out["control__ar__ready"])
            if sent and ready and out["control__r__valid"]:
                self._inputs |= {"control__ar__valid": 0, "control__r__ready": 0}
                return out["control__r__data"], Response(out["control__r__resp"])

    async def value(self, name: str) -> int:
        value, response = await self.read(name)
        assert response is Response.OKAY, f"{name} answers {response.name}"
        return value

    async def start(self, starts: dict[Queue, int], *, watchdog: int = 0) -> None:
        for queue, address in starts.items():
            name = queue.name.lower()
            await self.write(f"{name}_address_low", address & REGISTER_MASK)
            await self.write(f"{name}_address_high", address >> REGISTER_BITS)
        await self.write("watchdog", watchdog)
        await self.write("enable", sum(1 << q for q in starts))
        await self.write("control", START)

    async def finish(self, limit: int = 20_000) -> int:
        """Runs until the core does not run and is drained; returns the bits of `status`."""
        for _ in range(limit):
            await self.step(control__ar__valid=0)
            if not self.model.starting and not self.model.any_running() and self._drained():
                return await self.value("status")
        raise AssertionError(f"the core still runs after {limit} cycles: {await self.value('status'):#x}")

    def _drained(self) -> bool:
        return not (self._beats or self._bursts or any(self._engines.values()))

    async def counters_add_up(self) -> None:
        """busy + stalls + idle = cycles, in each queue."""
        cycles = await self.value("cycles")
        for queue in Queue:
            names = [r for r in REGISTERS if r.startswith(f"{queue.name.lower()}_") and _is_counter(r)]
            total = sum([await self.value(name) for name in names])
            assert total == cycles, f"{queue.name}: counters {total}, cycles {cycles}"

    async def error_of(self, queue: Queue) -> tuple[int, int, int]:
        name = queue.name.lower()
        low, high = await self.value(f"{name}_error_low"), await self.value(f"{name}_error_high")
        address = low | high << REGISTER_BITS
        return await self.value(f"{name}_error"), address, await self.value(f"{name}_tag")

    async def expect_interrupt(self, bits: int) -> None:
        assert await self.value("interrupt") == bits
        assert self._outputs["irq"] == 1
        await self.write("interrupt", Status.DONE | Status.ERROR)
        assert await self.value("interrupt") == 0
        assert self._outputs["irq"] == 0


def _is_counter(name: str) -> bool:
    return name.endswith(("_busy", "_stall_port", "_stall_semaphore", "_stall_fetch", "_idle"))


cocotb.log.setLevel("WARNING")
