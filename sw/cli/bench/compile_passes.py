"""How long the compiler's passes take on long programs, and whether a step costs more in a longer one."""

import time
from collections.abc import Callable
from functools import partial

from rich.console import Console

from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.compile.allocate import Span, allocate
from makalu.sw.compile.patterns import common_patterns, transfer_patterns
from makalu.sw.compile.regions import Region, region_of
from makalu.sw.compile.schedule import schedule
from makalu.sw.compile.steps import Step
from makalu.sw.results import Figure, at_most

__all__ = ["PRESET", "measure"]

PRESET = "trn2"
SHORT, LONG, RUNS = 2_000, 20_000, 3
ROWS, COLUMNS, WIDTH = 128, 512, 4096
"""A tile of fp32, and the columns of the tensor that it is a part of."""
SECONDS = {"schedule": 4, "allocate": 1, "patterns": 4}
GROWTH = 1.3


def measure(console: Console) -> list[Figure]:
    """CPU seconds of each pass on `LONG` steps, and its time a step over that on `SHORT`; the best of some runs."""
    figures = []
    for name, prepare in {"patterns": _patterns, "allocate": _allocate, "schedule": _schedule}.items():
        short, long = (_best(prepare(length)) for length in (SHORT, LONG))
        growth = round(long / LONG / (short / SHORT), 2)
        figures += [
            at_most(f"compile_{name}_seconds", round(long, 3), "CPU s", bar=SECONDS[name], kind="goal"),
            at_most(f"compile_{name}_growth", growth, "1", bar=GROWTH, kind="goal"),
        ]
    print_figures(f"compiler passes: {LONG:,} steps with tiles of {ROWS} x {COLUMNS} on {PRESET}", figures, console)
    return figures


def _best(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return min(seconds)


def _patterns(length: int) -> Callable[[], object]:
    """Half of the operations are transfers of a tile's rows, half walk two operands of different shapes."""
    tile, rows = [(COLUMNS, 1)], [(ROWS, WIDTH), (COLUMNS, 1)]

    def run() -> None:
        for _ in range(length // 2):
            list(transfer_patterns(ROWS, tile, rows, element_bytes=4))
            list(common_patterns([tile, [(4, 2 * COLUMNS), (COLUMNS // 4, 1)]]))

    return run


def _allocate(length: int) -> Callable[[], object]:
    """A hundred tiles live at any time."""
    spans = [
        Span(name=f"t{n}", memory="sbuf", bytes=4 * COLUMNS - 64 * (n % 5), first=n, last=n + 99, site="k.py:1")
        for n in range(length)
    ]
    return partial(allocate, spans, load_preset(PRESET))


def _schedule(length: int) -> Callable[[], object]:
    """Turns of load, load, load_stationary, matmul, vector, scalar, store; memory is read and written."""

    def tile(memory: str, number: int, run: int = 4 * COLUMNS) -> Region:
        return region_of(memory, [], low=number * 4 * COLUMNS, run=run, last=ROWS)

    steps: list[Step] = []
    for turn in range(-(-length // 7)):
        a, b, c = (tile("sbuf", (turn * k + k) % 100) for k in (3, 7, 11))
        sums = tile("psum", turn % 8)
        low = turn % 8 * 4 * COLUMNS + turn // 8 % 32 * ROWS * 4 * WIDTH
        rows = region_of("x", [(ROWS, 4 * WIDTH)], low=low, run=4 * COLUMNS)
        steps += [
            Step(Opcode.DMA_LOAD, {}, (rows,), (a,)),
            Step(Opcode.DMA_LOAD, {}, (region_of("w", [(ROWS, 4 * WIDTH)], low=0, run=4 * COLUMNS),), (b,)),
            Step(Opcode.LOAD_STATIONARY, {}, (tile("sbuf", turn * 3 % 100, 2 * ROWS),)),
            Step(Opcode.MATMUL, {}, (b, sums), (sums,)),
            Step(Opcode.TENSOR_TENSOR, {}, (sums, c), (c,)),
            Step(Opcode.ACTIVATION, {}, (c,), (c,)),
            Step(Opcode.DMA_STORE, {}, (c,), (rows,)),
        ]
    return partial(schedule, steps[:length], load_preset(PRESET))
