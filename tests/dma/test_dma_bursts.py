"""Rules of bursts and of the aligner's steps, on the model that the RTL is compared with."""

from itertools import product
from random import Random

import numpy as np
import pytest

from makalu.sim_models.lockstep.dma_bursts import bursts, steps, unit_count
from makalu.spec.isa import Opcode
from verif.dma.programs import MEMORY_BYTES, copy, random_descriptor, rows
from verif.lib.variants import bench_config

PAGE = 4096


@pytest.mark.parametrize("config", ["tiny", "wide-bus", "narrow"])
def test_bursts_keep_the_rules_and_cover_every_byte_once(config):
    config = bench_config(config)
    rng = Random(3)
    for _ in range(150):
        instruction = random_descriptor(rng, config, Opcode.DMA_STORE)
        made = bursts(config, instruction)
        for b in made:
            assert 1 <= b.length <= config.dma.burst_bytes
            assert b.address // PAGE == (b.address + b.length - 1) // PAGE
            assert unit_count(b.address % config.bus.data_bytes, b.length, config.bus.data_bytes) <= 256
        assert [b.last for b in made] == [False] * (len(made) - 1) + [True]
        # marks of where each byte comes from: the bursts move what the plain copy moves
        sbuf = np.arange(config.partitions * config.sbuf.partition_bytes, dtype=np.int64)
        sbuf = sbuf.reshape(config.partitions, -1)
        wanted, got = np.full(MEMORY_BYTES, -1, np.int64), np.full(MEMORY_BYTES, -1, np.int64)
        copy(instruction, sbuf, wanted)
        for b in made:
            assert (got[b.address : b.address + b.length] == -1).all(), "a byte is written twice"
            got[b.address : b.address + b.length] = sbuf[b.partition, b.offset : b.offset + b.length]
        np.testing.assert_array_equal(got, wanted)


def test_aligned_rows_waste_no_beat():
    config = bench_config("wide-bus")
    made = bursts(config, rows(Opcode.DMA_LOAD, partitions=4, row_bytes=1024, address=0x1000, offset=64, pitch=1024))
    assert [b.length for b in made] == [256] * 16
    assert [b.partition for b in made[:5]] == [0, 1, 2, 3, 0]


def test_an_unaligned_row_is_aligned_from_its_second_piece_on():
    config = bench_config("wide-bus")
    made = bursts(config, rows(Opcode.DMA_LOAD, partitions=1, row_bytes=600, address=0x1024, offset=0, pitch=0))
    assert [(b.address, b.length) for b in made] == [(0x1024, 220), (0x1100, 256), (0x1200, 124)]


@pytest.mark.parametrize("unit", [8, 16])
def test_steps_move_every_byte_to_its_place(unit):
    for place_in, place_out in product(range(unit), repeat=2):
        for length in (1, 2, unit - 1, unit, unit + 1, 3 * unit + 5):
            made = steps(place_in, place_out, length, unit)
            assert sum(s.take for s in made) == unit_count(place_in, length, unit)
            assert [s.give for s in made if s.give is not None] == list(range(unit_count(place_out, length, unit)))
            taken = 0
            for step in made:
                taken += step.take
                if step.give is not None:
                    last = min(place_out + length, (step.give + 1) * unit) - 1 - place_out
                    assert place_in + last < taken * unit, "a unit goes before its bytes have come"
