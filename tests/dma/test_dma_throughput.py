"""The bus is the limit: rows of 256 bytes or more over 32 partitions move a beat every cycle, both ways at once."""

import pytest

from makalu.sim_models.timing.dma import DmaTiming
from makalu.spec.frame import LOAD_PHASE, PHASES
from makalu.spec.isa import Opcode
from makalu.spec.memory import DEFAULT_LATENCY, MemoryTiming
from makalu.spec.preset import load_preset
from tests.dma.model_run import run_model
from verif.dma.programs import rows
from verif.lib.variants import bench_config

PRESET = "trn1-mini"
PITCH = 1024
HALF = 1 << 15
"""A lane writes one word in this phase of a frame."""


def program(config, opcode, row_bytes, count, *, offset=0, shift=0):
    address = (HALF if opcode == Opcode.DMA_STORE else 0) + shift
    one = rows(opcode, partitions=config.partitions, row_bytes=row_bytes, address=address, offset=offset, pitch=PITCH)
    return [one] * count


def run(config, loads, stores, *, latency=20):
    timing = MemoryTiming(latency=latency, numerator=2 * config.bus.data_bytes)
    gaps = {"load": [0] * len(loads), "store": [0] * len(stores)}
    return run_model(config, timing, {"load": loads, "store": stores}, gaps)


def span(cycles):
    return cycles[-1] - cycles[0] + 1


@pytest.mark.parametrize("row_bytes", [256, 512])
def test_loads_take_a_beat_every_cycle(row_bytes):
    config = bench_config(PRESET)
    beats = run(config, program(config, Opcode.DMA_LOAD, row_bytes, 4), []).beats["r"]
    assert len(beats) == 4 * config.partitions * row_bytes // config.bus.data_bytes
    assert span(beats) == len(beats)


@pytest.mark.parametrize("row_bytes", [256, 512])
def test_stores_give_a_beat_every_cycle(row_bytes):
    """But while the lanes start. A lane reads a word a frame, so it has a line (a beat) every `line` cycles.

    The first burst's lane has just begun, and its beats come `line` cycles apart. Meanwhile all other lanes read ahead.
    Later a lane is asked for a burst after all other partitions' bursts, in which time it has read as many lines.
    """
    config = bench_config(PRESET)
    burst = config.dma.burst_bytes // config.bus.data_bytes
    line = PHASES * config.bus.data_bytes // config.sbuf.word_bytes
    assert line == config.partitions  # so a lane reads a burst while a burst of each partition is sent
    beats = run(config, [], program(config, Opcode.DMA_STORE, row_bytes, 4)).beats["w"]
    count = 4 * config.partitions * row_bytes // config.bus.data_bytes
    start = beats[0] + (burst - 1) * line
    assert beats == [*range(beats[0], start, line), *range(start, start + count - burst + 1)]


def test_both_directions_at_once_cost_nothing():
    config = bench_config(PRESET)
    loads, stores = program(config, Opcode.DMA_LOAD, 512, 3), program(config, Opcode.DMA_STORE, 512, 3)
    both, load, store = run(config, loads, stores), run(config, loads, []), run(config, [], stores)
    assert both.finishes["load"] == load.finishes["load"]
    assert both.finishes["store"] == store.finishes["store"]


def test_short_rows_of_consecutive_descriptors_overlap():
    """64-byte rows in 32 partitions, a descriptor each 32 beats.

    Their beats follow one another, with the cycle that the walker of bursts takes between two descriptors. The last
    line of each is in the last lane: its first word goes in the lane's first slot from 3 cycles after the beat on, the
    others in the next frames, and the finish is in the cycle after the last.
    """
    config = bench_config(PRESET)
    count, partitions, words = 8, config.partitions, 64 // config.sbuf.word_bytes
    record = run(config, program(config, Opcode.DMA_LOAD, 64, count), [], latency=0)
    beats = record.beats["r"]
    first = [beats[0] + n * (partitions + 1) for n in range(count)]
    assert beats == [cycle + i for cycle in first for i in range(partitions)]
    earliest = [cycle + partitions - 1 + 3 for cycle in first]
    slot = LOAD_PHASE + (partitions - 1) * config.tensor.add_stages
    assert record.finishes["load"] == [t + (slot - t) % PHASES + PHASES * (words - 1) + 1 for t in earliest]


@pytest.mark.parametrize("offset", [4, 8, 12])
def test_a_shift_between_memory_and_sbuf_costs_a_step_a_burst(offset):
    """A burst's last bytes lie in one line more than it has beats: a step without a beat before the next burst's."""
    config = bench_config(PRESET)
    beats = run(config, program(config, Opcode.DMA_LOAD, 256, 3, offset=offset), []).beats["r"]
    bursts, burst = 3 * config.partitions, 256 // config.bus.data_bytes
    assert beats == [beats[0] + n * (burst + 1) + i for n in range(bursts) for i in range(burst)]


LEAST_SHARE = 0.9


def alone(preset, opcode):
    """Cycles of one transfer of 2 KiB a partition at the usual latency, by the timing model; its bytes; the config."""
    config, row = load_preset(preset), 2048
    model = DmaTiming(config, MemoryTiming.of(config.memory))
    face = model.load if opcode is Opcode.DMA_LOAD else model.store
    face.issue(1, rows(opcode, partitions=config.partitions, row_bytes=row, address=0, offset=0, pitch=row))
    done = []
    while not done:
        done = face.advance(face.next_event())
    return done[0][0] - 1, config.partitions * row, config


@pytest.mark.parametrize("preset", ["small", "trn1-mini", "trn2-mini", "trn3-mini", "trn1", "trn2", "trn3"])
@pytest.mark.parametrize("opcode", [Opcode.DMA_LOAD, Opcode.DMA_STORE], ids=lambda opcode: opcode.name.lower())
def test_outstanding_bursts_cover_the_latency(preset, opcode):
    """The rate of port or memory, whichever is less, beside one latency and the lanes' time to start and to drain.

    On `tiny` and `fpga` the lanes' turns at SBUF are the limit.
    """
    cycles, size, config = alone(preset, opcode)
    rate = min(config.bus.data_bytes, float(config.memory.rate))
    burst = PHASES * config.dma.burst_bytes // config.sbuf.word_bytes
    assert cycles <= size / rate / LEAST_SHARE + DEFAULT_LATENCY + 2 * burst


@pytest.mark.parametrize("opcode", [Opcode.DMA_LOAD, Opcode.DMA_STORE], ids=lambda opcode: opcode.name.lower())
def test_256_kib_on_the_full_core_are_at_the_ports_rate(opcode):
    """From issue to finish, all included."""
    cycles, size, config = alone("trn2", opcode)
    assert size == 1 << 18 and size / cycles >= LEAST_SHARE * config.bus.data_bytes
