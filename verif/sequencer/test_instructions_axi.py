"""The instruction port under an outside judge: cocotbext-axi's memory as slave, pausing at random; no model runs."""

import itertools
import warnings
from random import Random

import cocotb
from cocotb.triggers import RisingEdge

from makalu.sim_models.lockstep.host import IDLE_CONTROL, ScriptHost
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import CHANNELS, STREAMS, Channel
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.spec.registers import REGISTERS, START, Status
from makalu.spec.sequencer import CHANNEL_OF
from makalu.sw.rtl.params import bench_params
from verif.lib.axi import axi_bus
from verif.lib.axi_rules import AxiRules
from verif.lib.sampling import drive, reset, sample, start_clock
from verif.sequencer.environment import ERRORS, FINISHES
from verif.sequencer.programs import legal, own_opcodes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own use of what cocotb 2 deprecates
    from cocotbext.axi import AxiRamRead, AxiReadBus

MEMORY_BYTES = 1 << 16
LIMIT = 100_000
TAG_BITS = FIELDS["tag"].bits
LENGTHS = {Queue.TENSOR: 9, Queue.VECTOR: 23, Queue.SCALAR: 1, Queue.SYNC: 38, Queue.GPSIMD: 18}
"""Instructions in front of each halt: several times the buffer, none a multiple of it, and a program that is short."""


def queue_program(rng: Random, queue: Queue, length: int, config) -> list[bytes]:
    opcodes = [o for o in own_opcodes(queue, config) if o is not Opcode.HALT]
    chosen = [next(o for o in opcodes if o in CHANNEL_OF), *(rng.choice(opcodes) for _ in range(length - 1))]
    fields = [{k: int(v) for k, v in legal(rng, opcode, config).items()} for opcode in chosen]
    words = [encode(Instruction(opcode, values)) for opcode, values in zip(chosen, fields, strict=True)]
    return [*words, encode(Instruction(Opcode.HALT, {"tag": 0x100 + queue}))]


def tag_of(word: bytes) -> int:
    return int.from_bytes(word, "little") >> FIELDS["tag"].lsb & FIELDS["tag"].high


def stream_of(word: bytes) -> str | None:
    """The command stream on which an instruction leaves; nop and halt stay inside."""
    channel = CHANNEL_OF.get(Opcode(word[0]))
    return None if channel is None else CHANNELS[channel].stream


class Engines:
    """Take commands at random, keep what they got, and finish each channel's in order at random."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.taken: dict[str, list[int]] = {name: [] for name in STREAMS}
        self.open = dict.fromkeys(Channel, 0)
        self.inputs: dict[str, int] = {}

    def next_inputs(self) -> dict[str, int]:
        finishing = {c for c, count in self.open.items() if count and self.rng.random() < 0.3}
        for channel in finishing:
            self.open[channel] -= 1
        self.inputs = {f"{name}__ready": int(self.rng.random() < 0.5) for name in STREAMS}
        return self.inputs | {port: int(channel in finishing) for channel, port in FINISHES.items()}

    def tick(self, seen: dict[str, int | None]) -> None:
        for name in STREAMS:
            if seen[f"{name}__valid"] and self.inputs[f"{name}__ready"]:
                word = seen[f"{name}__payload"]
                assert word is not None, f"{name}: X in a command"
                self.taken[name].append(word)
                self.open[CHANNEL_OF[Opcode(word & FIELDS["opcode"].high)]] += 1


def script(starts: dict[Queue, int]) -> list[tuple[str, int, int]]:
    low = [("write", REGISTERS[f"{q.name.lower()}_address_low"].address, where) for q, where in starts.items()]
    enable = ("write", REGISTERS["enable"].address, sum(1 << q for q in starts))
    start = ("write", REGISTERS["control"].address, START)
    return [*low, enable, start, ("wait", LIMIT, 0), ("read", REGISTERS["status"].address, 0)]


@cocotb.test()
async def outside_instruction_memory(dut):
    """Programs longer than the buffer, one to the memory's last byte: the queues issue what is written there."""
    config = load_preset(bench_params()["config"])
    rng = Random(bench_params()["seed"])
    programs = {q: queue_program(rng, q, length, config) for q, length in LENGTHS.items()}
    assert max(LENGTHS.values()) > 4 * config.sequencer.buffer_instructions
    starts = {q: 0x3000 * q + INSTRUCTION_BYTES * 3 for q in programs}
    starts[Queue.SYNC] = MEMORY_BYTES - INSTRUCTION_BYTES * len(programs[Queue.SYNC])
    image = bytearray(rng.randbytes(MEMORY_BYTES))  # what is fetched beyond a halt is no instruction
    for queue, words in programs.items():
        image[starts[queue] : starts[queue] + INSTRUCTION_BYTES * len(words)] = b"".join(words)

    start_clock(dut)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ram = AxiRamRead(axi_bus(AxiReadBus, dut, "instructions"), dut.clk, dut.rst, size=MEMORY_BYTES)
    ram.write(0, bytes(image))
    for channel in (ram.ar_channel, ram.r_channel):
        channel.set_pause_generator(rng.random() < 0.4 for _ in itertools.count())

    host, engines = ScriptHost(script(starts)), Engines(rng)
    rules = AxiRules("instructions", data_bytes=config.bus.instruction_bytes, channels=("ar",))
    others = dict.fromkeys((*FINISHES.values(), *ERRORS.values(), "active", "stalled"), 0)
    await reset(dut, {**IDLE_CONTROL, **others, **{f"{name}__ready": 0 for name in STREAMS}})
    await RisingEdge(dut.clk)
    names = [*(f"control__{c}__{p}" for c, p in HOST_SEES), "irq", "trace_issue"]
    names += [f"{name}__{part}" for name in STREAMS for part in ("valid", "payload")]
    issued: dict[Queue, list[int]] = {queue: [] for queue in Queue}
    cycle = 0
    while not host.done:
        drive(dut, {**host.inputs(), **engines.next_inputs()})
        await RisingEdge(dut.clk)
        rules.check(cycle, sample(dut, rules.signals))
        seen = sample(dut, names)
        engines.tick(seen)
        for queue in Queue:
            event = (seen["trace_issue"] or 0) >> (1 + TAG_BITS) * queue
            if event & 1:
                issued[queue].append(event >> 1 & FIELDS["tag"].high)
        host.tick(seen)
        cycle += 1
    assert host.values[REGISTERS["status"].address] == Status.DONE
    for queue, words in programs.items():
        assert issued[queue] == [tag_of(word) for word in words], f"{queue.name} issued other tags"
    words = [word for queue in programs for word in programs[queue]]
    for name in STREAMS:
        want = [int.from_bytes(word, "little") for word in words if stream_of(word) == name]
        assert want and engines.taken[name] == want, f"{name}: other instructions than in the program"
    assert rules.bursts > len(words), "nothing was fetched beyond a halt"


HOST_SEES = (
    ("aw", "ready"),
    ("w", "ready"),
    ("b", "valid"),
    ("b", "resp"),
    ("ar", "ready"),
    ("r", "valid"),
    ("r", "data"),
    ("r", "resp"),
)
