"""Configurations for benches: the shipped presets, and small cores with the geometry that no small preset has.

All of them are `tiny` with some sections changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from makalu.spec.cfp8 import CFP8
from makalu.spec.config import CoreConfig, EngineConfig
from makalu.spec.loading import swap_lead
from makalu.spec.preset import load_preset
from makalu.spec.quads import QUAD_ELEMENTS, QUADS
from makalu.spec.random_bits import STOCHASTIC

__all__ = ["VARIANTS", "bench_config", "small_core"]

WIDE: dict[str, Any] = {
    "tensor": {"load_columns": 4, "add_stages": 2},
    "sbuf": {"banks": 6, "bank_bytes": 1024, "word_bytes": 16},
    "bus": {"data_bytes": 16},
}

EIGHT_MX: dict[str, Any] = {
    "partitions": 8,
    "tensor": {
        **{"rows": 8, "columns": 8, "load_columns": 4, "add_stages": 2, "mul_stages": 3, "products": 4},
        "formats": ("bf16", "fp16", "fp32", "e5m2", "e4m3", "e3m4", "e4m3fn", "e4m3fn_x4", "e5m2_x4", "e2m1_x4"),
        "results": ("fp32", "bf16", "uint16"),
    },
    "sbuf": {"banks": 3, "bank_bytes": 4096, "word_bytes": 16},
    "bus": {"data_bytes": 16},
    "features": (STOCHASTIC, CFP8),
}
"""MX: the smallest core that has it, words of 16 bytes, L = 2; both features."""

VARIANTS: dict[str, dict[str, Any]] = {
    # words of 16 bytes and six banks, as trn1, in 4 partitions with L = 2
    "wide-words": WIDE,
    # the same (L = 2, F = C) with trn2's rates of both engines
    "slow-engines": WIDE | {"vector": EngineConfig(rate="2/5"), "scalar": EngineConfig(rate="1/2")},
    "slow-rates": {"vector": EngineConfig(rate="2/5"), "scalar": EngineConfig(rate="1/2")},
    # A other than the presets' 3, and sums of bf16 in PSUM, beside carried bits and without them
    "psum-add-1": {"tensor": {"results": ("fp32", "bf16")}, "psum": {"add_stages": 1}},
    "psum-add-2": {"tensor": {"results": ("fp32", "bf16", "uint16")}, "psum": {"add_stages": 2}},
    # the generations' ratios: 64-byte bus, 16-byte words, bursts of 4 beats
    "wide-bus": {
        "tensor": {"load_columns": 4, "add_stages": 2},
        "sbuf": {"banks": 3, "bank_bytes": 4096, "word_bytes": 16},
        "bus": {"data_bytes": 64},
        "dma": {"burst_bytes": 256, "partition_lines": 8, "outstanding_reads": 16, "outstanding_writes": 16},
    },
    "eight-mx": EIGHT_MX,
    # structured sparsity: one group of four partitions with words of 8 bytes, L = 1; smaller groups
    "sparse": {"tensor": {"candidates": 16, "moving_buffers": 8}},
    "pairs-of-rows": WIDE | {"tensor": WIDE["tensor"] | {"candidates": 8, "moving_buffers": 8}},
    "one-row-groups": {"tensor": {"candidates": 4, "moving_buffers": 8}},
    # transposes beside matmuls: L of 3 alone; L of 2, words of 16 bytes, beside two groups of tags, MX and every mode
    "background": {"tensor": {"add_stages": 3, "background_bits": 16}},
    "eight-background": EIGHT_MX
    | {"tensor": EIGHT_MX["tensor"] | {"candidates": 16, "moving_buffers": 8, "background_bits": 16}},
    # both features
    "stochastic": {"tensor": {"results": ("fp32", "bf16", "uint16")}, "features": (STOCHASTIC, CFP8)},
    "bf16-sums": {"tensor": {"results": ("fp32", "bf16", "uint16")}},
    # double row beside types that may all meet each other: a matmul is refused for its mode alone; biases that may move
    "two-types": {"tensor": {"formats": ("bf16", "e5m2")}, "features": (CFP8,)},
    # everything as small as it may be: one burst open, two descriptors, two lines, bursts of one beat
    "narrow": {
        "tensor": {"add_stages": 3},
        "bus": {"data_bytes": 16},
        "dma": {
            **{"burst_bytes": 16, "partition_lines": 2, "queue": 2},
            **{"outstanding_reads": 1, "outstanding_writes": 1},
        },
    },
}
"""Sections of `tiny` by name of the core: fields that are other there, or a section as a whole."""


def bench_config(given: str | Mapping[str, Any]) -> CoreConfig:
    """A preset by name or path, one of `VARIANTS`, or `small_core` of the given: tables and benches call this."""
    if not isinstance(given, str):
        return small_core(**given)
    return _changed(given, **VARIANTS[given]) if given in VARIANTS else load_preset(given)


def _changed(name: str, **sections: Any) -> CoreConfig:
    tiny = load_preset("tiny")
    parts = {
        section: replace(getattr(tiny, section), **fields) if isinstance(fields, dict) else fields
        for section, fields in sections.items()
    }
    return replace(tiny, name=name, **parts)


def small_core(
    *,
    partitions: int,
    word_bytes: int,
    mul_stages: int,
    add_stages: int,
    tile: int = 4,
    psum_stages: int = 3,
    subnormals: str = "keep",
    products: int = 1,
    candidates: int = 1,
    background_bits: int = 0,
    results: Sequence[str] = ("fp32", "uint16"),
) -> CoreConfig:
    """P x P array; F follows from the word. Formats: those of `tiny` that its rules allow, for MX packed ones too."""
    tiny = load_preset("tiny")
    array: dict[str, Any] = {"rows": partitions, "columns": partitions, "tile": tile, "load_columns": word_bytes // 4}
    of_mode = QUADS if products == QUAD_ELEMENTS else ()
    forms = [form for form in (*tiny.tensor.operands, *of_mode) if not swap_lead(replace(tiny.tensor, **array), form)]
    array["formats"] = tuple(form.name for form in forms if subnormals == "keep" or not form.splits)
    return _changed(
        f"tiny-{partitions}",
        partitions=partitions,
        tensor={
            **array,
            "mul_stages": mul_stages,
            "add_stages": add_stages,
            "subnormals": subnormals,
            "products": products,
            "candidates": candidates,
            "background_bits": background_bits,
            "moving_buffers": max(tiny.tensor.moving_buffers, 8 if candidates > 1 else 0),
            "results": tuple(results),
        },
        psum={"add_stages": psum_stages},
        sbuf={"word_bytes": word_bytes},
        bus={"data_bytes": max(tiny.bus.data_bytes, word_bytes)},
        dma={"burst_bytes": max(tiny.dma.burst_bytes, word_bytes)},
    )
