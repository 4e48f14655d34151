"""Configurations for benches: the shipped presets, and small cores with the geometry that no small preset has."""

from dataclasses import replace

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset

__all__ = ["VARIANTS", "bench_config"]


def _wide_words(tiny: CoreConfig) -> CoreConfig:
    """Words of 16 bytes and six banks, as trn1, in 4 partitions with L = 2."""
    return replace(
        tiny,
        name="wide-words",
        tensor=replace(tiny.tensor, load_columns=4, add_stages=2),
        sbuf=replace(tiny.sbuf, banks=6, bank_bytes=1024, word_bytes=16),
        bus=replace(tiny.bus, data_bytes=16),
    )


def _psum_stages(tiny: CoreConfig, stages: int) -> CoreConfig:
    """A other than the presets' 3."""
    return replace(tiny, name=f"psum-add-{stages}", psum=replace(tiny.psum, add_stages=stages))


VARIANTS = ("wide-words", "psum-add-1", "psum-add-2")


def bench_config(name: str) -> CoreConfig:
    """A preset by name or path, or one of `VARIANTS`: table of cases and bench both call this."""
    if name not in VARIANTS:
        return load_preset(name)
    tiny = load_preset("tiny")
    made = {
        "wide-words": _wide_words(tiny),
        "psum-add-1": _psum_stages(tiny, 1),
        "psum-add-2": _psum_stages(tiny, 2),
    }
    return made[name]
