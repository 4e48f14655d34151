"""`makalu bench`: what the RTL does, in figures: utilisation, timing model, full size, FPGA."""

from collections.abc import Callable

from rich.console import Console

from makalu.hw.spec.config import load_preset
from makalu.sw.cli.bench import fpga, gemm, matmul, timing
from makalu.sw.results import RESULTS, Figure, failed, is_current, read_results, write_results

__all__ = ["PARTS", "BenchError", "bench"]

PARTS: dict[str, Callable[[Console], list[Figure]]] = {
    "gemm": gemm.measure,
    "timing": timing.measure,
    "matmul": matmul.measure,
    "fpga": fpga.measure,
}
"""Names of a part's figures start with the part's name."""
PRESETS = gemm.PRESETS
FILE = RESULTS / "bench.json"


class BenchError(RuntimeError):
    """A must was missed."""


def bench(parts: tuple[str, ...], console: Console) -> list[Figure]:
    """Measure, print, write `build/results/bench.json`; figures of other parts stay there if presets and tools
    are the same.

    Errors: `BenchError` when a must is missed.
    """
    for part in parts:
        figures = PARTS[part](console)
        presets = [load_preset(name) for name in PRESETS]
        # figures of other tools or presets would stand under this run's versions
        earlier = read_results(FILE) if is_current(FILE, presets) else []
        kept = [figure for figure in earlier if not figure.name.startswith(f"{part}_")]
        path = write_results("bench", presets, kept + figures)
        console.print(f"figures: {path.relative_to(path.parents[2])}")
        missed = failed(figures)
        if missed:
            raise BenchError("; ".join(f"{f.name} is {f.value}, must be {f.bar}" for f in missed))
    return read_results(FILE)
