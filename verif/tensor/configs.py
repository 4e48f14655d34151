"""Small cores for the tensor engine's benches: the `tiny` preset with other sizes and latencies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset

__all__ = ["small_core", "tensor_core"]

_BASE = "tiny"


def small_core(
    *,
    partitions: int,
    word_bytes: int,
    mul_stages: int,
    add_stages: int,
    tile: int = 4,
    psum_stages: int = 3,
    subnormals: str = "keep",
) -> CoreConfig:
    """P x P array; F follows from the word."""
    base = load_preset(_BASE)
    return replace(
        base,
        name=f"{_BASE}-{partitions}",
        partitions=partitions,
        tensor=replace(
            base.tensor,
            rows=partitions,
            columns=partitions,
            tile=tile,
            mul_stages=mul_stages,
            add_stages=add_stages,
            load_columns=word_bytes // 4,
            subnormals=subnormals,
        ),
        psum=replace(base.psum, add_stages=psum_stages),
        sbuf=replace(base.sbuf, word_bytes=word_bytes),
        bus=replace(base.bus, data_bytes=max(base.bus.data_bytes, word_bytes)),
        dma=replace(base.dma, burst_bytes=max(base.dma.burst_bytes, word_bytes)),
    )


def tensor_core(given: str | Mapping[str, Any]) -> CoreConfig:
    """A preset by name or path, or a small core by arguments of `small_core`: tables and benches call this."""
    return load_preset(given) if isinstance(given, str) else small_core(**given)
