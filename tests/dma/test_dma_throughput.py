"""The bus is the limit: rows of 256 bytes or more over 32 partitions move a beat every cycle, both ways at once."""

import pytest

from makalu.hw.spec.isa import Opcode
from makalu.hw.spec.memory import MemoryTiming
from verif.dma.configs import dma_config
from verif.dma.model_run import run_model
from verif.dma.programs import rows

PRESET = "trn1-mini"
PITCH = 1024
HALF = 1 << 15
START_UP = 200
"""Cycles until the first store beats and the last loads' words have passed the lanes."""


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
    config = dma_config(PRESET)
    beats = run(config, program(config, Opcode.DMA_LOAD, row_bytes, 4), []).beats["r"]
    assert len(beats) == 4 * config.partitions * row_bytes // config.bus.data_bytes
    assert span(beats) == len(beats)


def test_stores_give_a_beat_every_cycle():
    config = dma_config(PRESET)
    beats = run(config, [], program(config, Opcode.DMA_STORE, 512, 4)).beats["w"]
    assert len(beats) == 4 * config.partitions * 512 // config.bus.data_bytes
    assert span(beats) - len(beats) <= START_UP


def test_both_directions_at_once_cost_nothing():
    config = dma_config(PRESET)
    loads, stores = program(config, Opcode.DMA_LOAD, 512, 3), program(config, Opcode.DMA_STORE, 512, 3)
    both, load, store = run(config, loads, stores), run(config, loads, []), run(config, [], stores)
    assert both.finishes["load"] == load.finishes["load"]
    assert both.finishes["store"] == store.finishes["store"]


def test_short_rows_of_consecutive_descriptors_overlap():
    """64-byte rows in 32 partitions, a descriptor each 32 beats: their bursts follow one another with a gap of one."""
    config = dma_config(PRESET)
    count = 8
    record = run(config, program(config, Opcode.DMA_LOAD, 64, count), [], latency=0)
    beats = record.beats["r"]
    alone = run(config, program(config, Opcode.DMA_LOAD, 64, 1), [], latency=0)
    assert record.finishes["load"][-1] < count * alone.finishes["load"][0] * 3 // 4
    assert len(beats) == count * config.partitions


def test_a_shift_between_memory_and_sbuf_costs_a_step_a_burst():
    config = dma_config(PRESET)
    beats = run(config, program(config, Opcode.DMA_LOAD, 256, 3, offset=4), []).beats["r"]
    bursts = 3 * config.partitions
    assert bursts - 1 <= span(beats) - len(beats)
