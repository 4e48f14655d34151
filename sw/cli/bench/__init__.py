"""`makalu bench`: what the RTL does, in figures: utilisation, timing model, full size, FPGA."""

from collections.abc import Callable

from rich.console import Console

from makalu.hw.spec.preset import load_preset
from makalu.sw.cli.bench import fpga, gemm, matmul, timing
from makalu.sw.cli.conclusion import conclude
from makalu.sw.results import RESULTS, Figure, is_current, read_results

__all__ = ["PARTS", "bench"]

PARTS: dict[str, Callable[[Console], list[Figure]]] = {
    "gemm": gemm.measure,
    "timing": timing.measure,
    "matmul": matmul.measure,
    "fpga": fpga.measure,
}
"""Names of a part's figures start with the part's name."""
PRESETS = gemm.PRESETS
FILE = RESULTS / "bench.json"


def bench(parts: tuple[str, ...], console: Console) -> list[Figure]:
    """Measure, print, write `build/results/bench.json`; figures of other parts stay there if presets and tools
    are the same.

    Errors: `MissedError`.
    """
    for part in parts:
        figures = PARTS[part](console)
        presets = [load_preset(name) for name in PRESETS]
        # figures of other tools or presets would stand under this run's versions
        earlier = read_results(FILE) if is_current(FILE, presets) else []
        kept = [figure for figure in earlier if not figure.name.startswith(f"{part}_")]
        conclude("bench", presets, figures, console, earlier=kept)
    return read_results(FILE)
