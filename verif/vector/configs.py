"""Configurations of the benches of Vector and Scalar: presets, and `tiny` with the rates of trn2."""

from dataclasses import replace

from makalu.spec.config import CoreConfig, EngineConfig
from makalu.spec.preset import load_preset

__all__ = ["SLOW_RATES", "lanes_config"]

SLOW_RATES = "slow-rates"


def lanes_config(name: str) -> CoreConfig:
    """A preset by name or path, or `SLOW_RATES`: table of cases and bench call this."""
    if name != SLOW_RATES:
        return load_preset(name)
    tiny = load_preset("tiny")
    return replace(tiny, name=SLOW_RATES, vector=EngineConfig(rate="2/5"), scalar=EngineConfig(rate="1/2"))
