"""Tiles and how full the memories are, against every operand of a program and a count of every cycle."""

from math import prod

import numpy as np
import pytest

from makalu.spec.engines import QUEUE_CHANNELS
from makalu.spec.formats import FORMATS
from makalu.spec.isa import AP_DIMS, OPERANDS, Space
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.tile import PlacedTile
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.report.occupancy import MEMORIES, Life, capacity, lives_of, occupancy
from makalu.sw.report.rows import rows_of
from makalu.sw.report.summary import summary

from .runs import NAMES, record

BYTES = {f.code: f.bytes for f in FORMATS.values()}
TINY = record("copy on tiny").config


def operands(row):
    """(memory, first byte, end) of what an instruction touches on the chip."""
    for slot in OPERANDS:
        space = row.instruction[f"{slot}_space"]
        if space:
            steps = [
                (row.instruction[f"{slot}_size{d}"] - 1) * row.instruction[f"{slot}_stride{d}"] for d in range(AP_DIMS)
            ]
            assert prod(row.instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)) > 0
            size, at = BYTES[row.instruction[f"{slot}_dtype"]], row.instruction[f"{slot}_offset"]
            low, high = (size * sum(pick(0, s) for s in steps) for pick in (min, max))
            yield Space(space).name.lower(), at + low, at + high + size


@pytest.mark.parametrize("name", NAMES)
def test_every_operand_lies_in_a_live_tile(name):
    run = record(name)
    touched = {tile: set() for tile in run.program.tiles}
    for row in rows_of(run):
        for memory, low, high in operands(row):
            holders = [
                tile
                for tile in run.program.tiles
                if tile.memory == memory and tile.first <= row.number <= tile.last
                if tile.address <= low and high <= tile.address + tile.bytes
            ]
            assert len(holders) == 1, f"{row.name} {row.number}: {memory} {low}..{high}"
            touched[holders[0]].add(row.number)
    for tile, numbers in touched.items():
        assert (min(numbers), max(numbers)) == (tile.first, tile.last), tile
    assert {tile.memory for tile in run.program.tiles} <= set(MEMORIES)


@pytest.mark.parametrize("name", NAMES)
def test_occupancy_is_a_count_of_every_cycle(name):
    """Tags are program order here, and a program this short has each tag once."""
    run = record(name)
    queues = {channel: queue for queue, channels in QUEUE_CHANNELS.items() for channel in channels}
    issued = {(e.where, e.index): e.cycle for e in run.timeline.issues}
    finishes = {e.tag: e for e in run.timeline.finishes}
    issues = {tag: issued[queues[e.where], e.index] for tag, e in finishes.items()}
    lives = lives_of(run, rows_of(run))
    assert [life.tile for life in lives] == list(run.program.tiles)
    for life in lives:
        first, last = life.tile.first, life.tile.last
        assert (life.first, life.last) == (issues[first], max(finishes[first].cycle, finishes[last].cycle))
    for memory in MEMORIES:
        steps = occupancy(run.config, lives, memory)
        assert [cycle for cycle, _ in steps] == sorted({cycle for cycle, _ in steps})
        height, at = 0, dict(steps)
        for cycle in range(run.timeline.start, run.timeline.done + 1):
            height = at.get(cycle, height)
            held = np.zeros(capacity(run.config, memory), bool)
            for life in lives:
                if life.tile.memory == memory and life.first <= cycle <= life.last:
                    held[life.tile.address : life.tile.address + life.tile.bytes] = True
            assert height == np.count_nonzero(held)
        assert height == 0


def test_what_two_tiles_share_counts_once():
    tiles = [PlacedTile(str(n), "psum", 64 * n, 128, 4, 0, 0, "k.py:1") for n in range(2)]
    lives = [Life(tiles[0], 5, 9), Life(tiles[1], 7, 20)]
    assert occupancy(TINY, lives, "psum") == [(5, 128), (7, 192), (10, 128), (21, 0)]
    assert occupancy(TINY, lives, "sbuf") == []


def test_a_tile_lives_as_long_as_its_last_instruction():
    """A copy of six dimensions is several instructions."""

    def kernel(x):
        tile = nl.ndarray(x.shape, x.dtype, name="tile")
        nisa.dma_copy(tile, x)
        turned = nl.ndarray((4, 2, 2, 2, 2, 2), x.dtype, name="turned")
        nisa.tensor_copy(turned, tile.reshape(4, 2, 2, 2, 2, 2).permute(0, 5, 4, 3, 2, 1))
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="out")
        nisa.dma_copy(out, turned.reshape(4, 32))
        return out

    program = compile_kernel(kernel, TINY, x=TensorSpec((4, 32), nl.float32))
    tile, turned = program.tiles
    assert program.instructions > 6 and (tile.name, turned.name) == ("tile", "turned")
    assert tile.first == 0 and turned.first == 1
    assert tile.last == turned.last - 1 == program.instructions - len(program.streams) - 2


def test_a_peak_is_stated():
    facts = summary(record("gemm on small"))
    for memory in facts["memories"]:
        assert memory["peak"] == max(held for _, held in memory["steps"]) <= memory["capacity"]
        assert (memory["peak_cycle"], memory["peak"]) in memory["steps"]
        assert memory["tiles"] > 0
