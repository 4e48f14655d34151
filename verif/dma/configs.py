"""Configurations of the DMA benches: presets, and small cores with other ratios of bus, word and buffer."""

from dataclasses import replace

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset

__all__ = ["VARIANTS", "dma_config"]


def _wide_bus(tiny: CoreConfig) -> CoreConfig:
    """The generations' ratios: 64-byte bus, 16-byte words, bursts of 4 beats, in 4 partitions with L = 2."""
    return replace(
        tiny,
        name="wide-bus",
        tensor=replace(tiny.tensor, load_columns=4, add_stages=2),
        sbuf=replace(tiny.sbuf, banks=3, bank_bytes=4096, word_bytes=16),
        bus=replace(tiny.bus, data_bytes=64),
        dma=replace(tiny.dma, burst_bytes=256, partition_lines=8, outstanding_reads=16, outstanding_writes=16),
    )


def _narrow(tiny: CoreConfig) -> CoreConfig:
    """Everything as small as it may be: one burst open, two descriptors, two lines, bursts of one beat."""
    return replace(
        tiny,
        name="narrow",
        tensor=replace(tiny.tensor, add_stages=3),
        bus=replace(tiny.bus, data_bytes=16),
        dma=replace(tiny.dma, burst_bytes=16, partition_lines=2, outstanding_reads=1, outstanding_writes=1, queue=2),
    )


VARIANTS = ("wide-bus", "narrow")


def dma_config(name: str) -> CoreConfig:
    """A preset by name or path, or one of `VARIANTS`: table of cases and bench both call this."""
    made = {"wide-bus": _wide_bus, "narrow": _narrow}
    return made[name](load_preset("tiny")) if name in made else load_preset(name)
