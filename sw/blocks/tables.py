"""Tables of the pages of docs/blocks, from `spec` and `stalls.py`: parameters, latencies, stalls."""

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from types import ModuleType
from typing import Any

from makalu.spec import config as config_module
from makalu.spec import frame, lanes, latency, sequencer
from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS
from makalu.spec.preset import load_preset
from makalu.sw.docs import docs_behind

from .stalls import HOLDS, WAITS, EngineStall

__all__ = ["BLOCKS", "shown_presets", "tables_of"]

_SHOWN = ("tiny", "trn2-mini", "trn2")

_PARAMETERS = {
    "tensor": ("partitions", "tensor.*"),
    "psum": ("psum.*",),
    "sbuf": ("sbuf.*",),
    "lanes": ("vector.rate", "scalar.rate"),
    "dma": ("dma.*", "bus.data_bytes", "memory.bytes_per_cycle"),
    "sequencer": ("sequencer.*", "bus.address_bits", "bus.instruction_bytes"),
}
"""Keys of a preset; `*` is each of a section."""

_LATENCIES: dict[str, tuple[tuple[ModuleType, tuple[str, ...]], ...]] = {
    "tensor": (
        (
            latency,
            (
                "LOAD_LEAD",
                "WORD_LEAD",
                "FIRST_COLUMN",
                "row_delay",
                "column_delay",
                "commit_delay",
                "swap_guard",
                "gemm_overhead",
            ),
        ),
    ),
    "psum": ((latency, ("hazard_window",)),),
    "sbuf": ((frame, ("SLOTS", "PHASES")),),
    "lanes": ((lanes, ("ELEMENT_BUFFER", "ALU_STAGES", "LANE_STAGES")),),
    "dma": ((frame, ("LOAD_PHASE", "STORE_PHASE")),),
    "sequencer": ((sequencer, ("DECODE_CYCLES", "DECODE_PERIOD", "DECODED_INSTRUCTIONS")),),
}
"""Constants, and functions of a configuration."""

BLOCKS = tuple(_PARAMETERS)

_CHANNELS = {
    "tensor": ("tensor",),
    "lanes": ("vector", "scalar"),
    "dma": ("dma",),
}
"""Engines whose instructions a page has."""


def tables_of(block: str) -> dict[str, str]:
    """Tables by title, as a page shows them."""
    return {
        f"parameters of {block}": _parameters(block),
        f"latencies of {block}": _latencies(block),
        f"stalls of {block}": _stalls(block),
    }


def _grid(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heading), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@cache
def shown_presets() -> list[CoreConfig]:
    """Those whose values stand in the tables."""
    return [load_preset(name) for name in _SHOWN]


def _parameters(block: str) -> str:
    rows = []
    for key in _PARAMETERS[block]:
        section, _, name = key.partition(".")
        owner = CoreConfig if not name else type(getattr(shown_presets()[0], section))
        names = [field.name for field in fields(owner)] if name == "*" else [name or section]
        meanings = _class_docs(owner.__name__)
        for each in names:
            whole = f"{section}.{each}" if name else section
            values = [getattr(getattr(c, section), each) if name else getattr(c, section) for c in shown_presets()]
            rows.append([f"`{whole}`", meanings[each], *map(_value, values)])
    return _grid(["key", "what", *_SHOWN], rows)


def _value(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _class_docs(name: str) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(config_module))
    (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    return docs_behind(found.body)


def _latencies(block: str) -> str:
    rows = []
    for module, names in _LATENCIES[block]:
        docs = docs_behind(ast.parse(inspect.getsource(module)).body)
        for name in names:
            value = getattr(module, name)
            text = _function_doc(value) if callable(value) else docs[name]
            rows.append([f"`{name}`", text, *(str(value(c) if callable(value) else value) for c in shown_presets())])
    return _grid(["name", "what", *_SHOWN], rows)


def _function_doc(function: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _stalls(block: str) -> str:
    if block == "sequencer":
        return _grid(["cause", "counter", "why"], [[wait.cause.value, f"`{wait.counter}`", wait.why] for wait in WAITS])
    engines = _CHANNELS.get(block)
    rows = [hold for hold in HOLDS if _belongs(hold, block, engines)]
    return _grid(
        ["instructions of", "cause", "counter", "why"],
        [
            [
                ", ".join(CHANNELS[channel].name for channel in hold.channels),
                hold.hold.value,
                " or ".join(f"`{counter}`" for counter in hold.counters),
                hold.why,
            ]
            for hold in rows
        ],
    )


def _belongs(hold: EngineStall, block: str, engines: tuple[str, ...] | None) -> bool:
    """A page of an engine has all of its instructions' waits, one of a memory those for it."""
    if engines is None:
        return hold.block == block
    return any(CHANNELS[channel].engine in engines for channel in hold.channels)
