"""The PE array, every cycle against the lockstep model; also inlined, and with idle clocks."""

from dataclasses import replace

from makalu.hw.tensor.array import PeArray
from verif.lib.cases import Case, Config
from verif.lib.variants import bench_config

__all__ = ["CASES"]

EIGHT = {"partitions": 8, "word_bytes": 16, "mul_stages": 2, "add_stages": 2}
SMALL = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
FLUSH = {**SMALL, "mul_stages": 1, "add_stages": 3, "subnormals": "flush"}


def array(config: Config) -> PeArray:
    return PeArray(config=bench_config(config))


LARGE = Case(
    name="8x8-of-4x4",
    module="verif.array.test_array",
    tests=4,
    component=array,
    config=EIGHT,
    params={"matmuls": 40, "seed": 1},
)
TILES = replace(LARGE, name="4x4-of-2x2", config=SMALL, params={"matmuls": 10, "seed": 1}, hierarchical=True)
"""On Verilator the tiles are compiled apart; their clocks never stop."""
FLUSHING = replace(TILES, name="4x4-of-2x2-flush", config=FLUSH)
IDLE = {"idle_clocks": True}
"""Tiles whose clock stops, as in a fast machine, show the model's outputs too."""

CHOOSING = replace(
    LARGE, name="8x8-sparse", config={**EIGHT, "candidates": 16, "products": 2}, params={"matmuls": 16, "seed": 1}
)
"""Two groups of four rows, whose weights have tags."""

CASES = (
    LARGE,
    CHOOSING,
    replace(CHOOSING, name="8x8-sparse-2", config={**EIGHT, "candidates": 8, "add_stages": 1}, soak=True),
    replace(TILES, name="4x4-sparse", config={**SMALL, "tile": 4, "candidates": 16, "add_stages": 3}).on_icarus(),
    replace(TILES, name="idle-sparse", config={**SMALL, "candidates": 4}, idle_clocks=True),
    TILES,
    TILES.on_icarus(),
    FLUSHING.on_icarus(),
    replace(TILES, name="idle", **IDLE),
    replace(TILES, name="idle", **IDLE).on_icarus(),
    replace(FLUSHING, name="idle-flush", **IDLE).on_icarus(),
    replace(TILES, name="inlined", inlined=True, hierarchical=False),
    replace(TILES, name="inlined", inlined=True).on_icarus(),
)
