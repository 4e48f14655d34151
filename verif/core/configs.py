"""Configurations of the core's benches: presets, and a small core with what no small preset has."""

from dataclasses import replace

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from verif.lib.variants import bench_config

__all__ = ["SLOW_ENGINES", "core_config"]

SLOW_ENGINES = "slow-engines"


def core_config(name: str) -> CoreConfig:
    """A preset by name or path, or `SLOW_ENGINES`.

    That is L = 2, F = C, words of 16 bytes, six SBUF banks, and trn2's rates of both engines.
    """
    if name != SLOW_ENGINES:
        return load_preset(name)
    config, rates = bench_config("wide-words"), load_preset("trn2-mini")
    return replace(config, name=SLOW_ENGINES, vector=rates.vector, scalar=rates.scalar)
