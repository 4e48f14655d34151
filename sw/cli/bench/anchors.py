"""Published latencies of matmuls on Trainium1 beside what the timing model predicts for our core, and where it waits.

No claim about silicon: the kernels are ours, with the loads and blocks of the published ones, and the core differs from
AWS's in what docs/anchors.md lists.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from makalu.examples.gemm.blocked import blocked
from makalu.examples.gemm.steps import free_blocked, hoisted, tiled
from makalu.sim_models.timing.waits import Hold
from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.sw.cli.kernels import OPERAND
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.report.edges import edges_of, waited_for
from makalu.sw.report.record import RunRecord
from makalu.sw.report.rows import rows_of
from makalu.sw.report.totals import MOVING, engines, queues
from makalu.sw.results import Figure, at_most
from makalu.sw.timing import predict

__all__ = ["ANCHORS", "COLUMNS", "PRESET", "Anchor", "measure"]

PRESET = "trn1"
TUTORIAL = "aws-neuron-sdk v2.26.0, general/nki/tutorials/matrix_multiplication.rst, line"
AUTOTUNE = "awslabs/nki-autotune issue 25, a user's measurement"
MOST_SECONDS, GOAL_SECONDS = 360, 180


@dataclass(frozen=True)
class Anchor:
    """A published latency of result[M, N] = lhs_t[K, M].T @ rhs[K, N], and the kernel that does the same."""

    name: str
    kernel: Callable[..., Any]
    shape: tuple[int, int, int]
    """M, K, N."""
    milliseconds: float
    source: str


TUTORIAL_SHAPE = (4096, 8192, 8192)
ANCHORS = (
    Anchor("tiled", tiled, TUTORIAL_SHAPE, 51.80, f"{TUTORIAL} 341"),
    Anchor("hoisted", hoisted, TUTORIAL_SHAPE, 42.96, f"{TUTORIAL} 343"),
    Anchor("free_blocked", free_blocked, TUTORIAL_SHAPE, 22.07, f"{TUTORIAL} 345"),
    Anchor("blocked", blocked, TUTORIAL_SHAPE, 6.97, f"{TUTORIAL} 347"),
    Anchor("blocked_4096", blocked, (4096,) * 3, 2.694, AUTOTUNE),
    Anchor("blocked_8192", blocked, (8192,) * 3, 14.72, AUTOTUNE),
)
TIMED = "blocked"
"""Whose time on this machine is judged."""

COLUMNS = (
    "published_ms",
    "predicted_ms",
    "ratio",
    "cycles",
    "array",
    "tensor_waits_load",
    "tensor_waits_vector",
    "tensor_waits_other",
    "load_moving",
    "load_latency",
    "load_idle",
    "store_busy",
    "vector_busy",
    "loaded_gb",
    "cpu_seconds",
    "seconds",
    "source",
)
"""Of the table; from `array` to `vector_busy` shares of all cycles."""


def measure(console: Console) -> list[Figure]:
    """One row an anchor."""
    config = load_preset(PRESET)
    figures: list[Figure] = []
    table = Table(title=f"published on Trainium1, predicted for {PRESET}: M, K, N")
    headings = ("anchor", "shape", "published ms", "predicted ms", "ratio", "array", "waits for loads", "CPU s")
    for heading in headings:
        table.add_column(heading, justify="right")
    for anchor in ANCHORS:
        with console.status(f"tracing, compiling and timing {anchor.name}"):
            values = _measured(config, anchor)
        figures += _figures(anchor, values)
        shares = (f"{values[key]:.1%}" for key in ("array", "tensor_waits_load"))
        times = (f"{values[key]:.2f}" for key in ("published_ms", "predicted_ms", "ratio"))
        shape = " x ".join(f"{size:,}" for size in anchor.shape)
        table.add_row(anchor.name, shape, *times, *shares, f"{values['cpu_seconds']:.0f}")
    console.print(table)
    return figures


def _figures(anchor: Anchor, values: dict[str, Any]) -> list[Figure]:
    units = {"published_ms": "ms", "predicted_ms": "ms", "ratio": "1", "cycles": "cycles", "loaded_gb": "GB"}
    units |= {"cpu_seconds": "CPU s", "seconds": "s", "source": "text"}
    out = []
    for column in COLUMNS:
        name, value, unit = f"anchors_{anchor.name}_{column}", values[column], units.get(column, "share")
        if anchor.name == TIMED and column == "seconds":
            out.append(at_most(name, value, unit, bar=MOST_SECONDS, kind="must"))
        elif anchor.name == TIMED and column == "cpu_seconds":
            out.append(at_most(name, value, unit, bar=GOAL_SECONDS, kind="goal"))
        else:
            out.append(Figure(name=name, value=value, unit=unit))
    return out


def _measured(config: CoreConfig, anchor: Anchor) -> dict[str, Any]:
    cpu, wall = time.process_time(), time.monotonic()
    m, k, n = anchor.shape
    specs = {"lhs_t": TensorSpec((k, m), OPERAND), "rhs": TensorSpec((k, n), OPERAND)}
    program = compile_kernel(anchor.kernel, config, **specs)
    timeline = predict(program, config)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    record = RunRecord(config=config, program=program, timeline=timeline, kernel=anchor.name)
    rows = rows_of(record)
    units = {unit["engine"]: unit for unit in engines(timeline, rows)}
    tensor = next(q for q in queues(timeline, rows, waited_for(edges_of(rows))) if q["queue"] == "tensor")
    waits, cycles = dict(tensor["waits_for"]), timeline.cycles
    load, matmul = units["dma_load"], units["matmul"]
    milliseconds = cycles / config.product.tensor_clock_hz * 1e3

    def share(value: int) -> float:
        return round(value / cycles, 4)

    return {
        "published_ms": anchor.milliseconds,
        "predicted_ms": round(milliseconds, 3),
        "ratio": round(milliseconds / anchor.milliseconds, 3),
        "cycles": cycles,
        "array": share(matmul["parts"][MOVING]),
        "tensor_waits_load": share(waits.pop("dma_load", 0)),
        "tensor_waits_vector": share(waits.pop("vector", 0)),
        "tensor_waits_other": share(sum(waits.values())),
        "load_moving": share(load["parts"][MOVING]),
        "load_latency": share(load["parts"].get(str(Hold.LATENCY), 0)),
        "load_idle": share(cycles - load["busy"]),
        "store_busy": share(units["dma_store"]["busy"]),
        "vector_busy": share(units["vector"]["busy"]),
        "loaded_gb": round(load["parts"][MOVING] * config.bus.data_bytes / 1e9, 3),
        "cpu_seconds": round(cpu, 1),
        "seconds": round(wall, 1),
        "source": anchor.source,
    }
