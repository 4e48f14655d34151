"""Configurations of the core's benches: presets, and a small core with what no small preset has."""

from dataclasses import replace

from makalu.spec.config import CoreConfig
from makalu.spec.preset import PRESETS, load_preset
from verif.lib.variants import bench_config

__all__ = ["SLOW_ENGINES", "core_config"]

SLOW_ENGINES = "slow-engines"


def core_config(name: str) -> CoreConfig:
    """A preset, or `SLOW_ENGINES`: L = 2, F = C, words of 16 bytes, six SBUF banks, trn2's rates of both engines."""
    if name in PRESETS:
        return load_preset(name)
    if name != SLOW_ENGINES:
        raise ValueError(f"core configuration must be one of {[*PRESETS, SLOW_ENGINES]}, not {name!r}")
    config, rates = bench_config("wide-words"), load_preset("trn2-mini")
    return replace(config, name=SLOW_ENGINES, vector=rates.vector, scalar=rates.scalar)
