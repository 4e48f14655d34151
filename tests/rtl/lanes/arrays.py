"""The PE array alone: configurations by a few words, and its bench beside Verilator's model."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from makalu.hw.lib.emit import Emission
from makalu.hw.tensor.array import PeArray
from makalu.spec.config import CoreConfig
from makalu.sw.rtl.lanes.model import Model
from tests.rtl.lanes.bench import TOP, Bench, model_of
from verif.lib.variants import small_core

__all__ = ["Array", "array_bench", "config_of"]


class Array(NamedTuple):
    """P x P elements in tiles; F = word_bytes / 4 columns a load."""

    partitions: int
    tile: int
    word_bytes: int
    mul_stages: int
    add_stages: int
    subnormals: str


def config_of(array: Array) -> CoreConfig:
    """The core with this array."""
    return small_core(**array._asdict())


@functools.cache
def _verilog(array: Array) -> str:
    return Emission().verilog(PeArray(config=config_of(array)), name=TOP)


def array_bench(
    array: Array, form: str, *, change: Callable[[dict[str, str]], dict[str, str]] = dict
) -> tuple[Bench, Model]:
    """`change` gets the generated files."""
    top = PeArray(config=config_of(array))
    model = model_of(top, form=form)
    return Bench.build(top, change(model.files), form=form, verilog=_verilog(array)), model
