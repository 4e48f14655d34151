"""`makalu bench`: utilisation, timing model, DMA, full size, FPGA, text; speed of simulators and models; anchors."""

from collections.abc import Callable

from rich.console import Console

from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.bench import (
    anchors,
    bram,
    compile_passes,
    conformance,
    dma,
    errors,
    fpga,
    gemm,
    golden,
    lanes,
    large,
    matmul,
    nki,
    pace,
    text,
    timing,
    types,
)
from makalu.sw.cli.conclusion import conclude
from makalu.sw.results import RESULTS, Figure, is_current, read_parts, read_record, read_results

__all__ = ["PARTS", "bench"]

PARTS: dict[str, Callable[[Console], list[Figure]]] = {
    "gemm": gemm.measure,
    "timing": timing.measure,
    "types": types.measure,
    "conformance": conformance.measure,
    "errors": errors.measure,
    "dma": dma.measure,
    "matmul": matmul.measure,
    "lanes": lanes.measure,
    "pace": pace.measure,
    "golden": golden.measure,
    "large": large.measure,
    "compile": compile_passes.measure,
    "nki": nki.measure,
    "anchors": anchors.measure,
    "text": text.measure,
    "fpga": fpga.measure,
    "bram": bram.measure,
}
"""Names of a part's figures start with the part's name."""
PART_PRESETS: dict[str, tuple[str, ...]] = {
    "gemm": gemm.PRESETS,
    "timing": gemm.PRESETS,
    "types": types.PRESETS,
    "conformance": ("none",),
    "errors": (errors.PRESET,),
    "dma": (dma.PRESET,),
    "matmul": (matmul.PRESET,),
    "lanes": (lanes.PRESET,),
    "pace": tuple(pace.MEASURED),
    "golden": (golden.PRESET,),
    "large": (large.PRESET,),
    "compile": (compile_passes.PRESET,),
    "nki": (nki.PRESET,),
    "anchors": (anchors.PRESET,),
    "text": text.PRESETS,
    "fpga": ("none",),
    "bram": (bram.PRESET,),
}
"""What a part measures; the arithmetic units and the FPGA's PEs are of no preset."""
PRESETS = tuple(dict.fromkeys((*gemm.PRESETS, *pace.MEASURED)))
FILE = RESULTS / "bench.json"


def bench(parts: tuple[str, ...], console: Console) -> list[Figure]:
    """Measure, print, write `build/results/bench.json`; other parts stay there, with the date and the versions of
    their own measurement, while the presets are the same.

    Errors: `MissedError`, `ResultsError`.
    """
    writable_folder(RESULTS)
    if FILE.is_file():
        read_record(FILE)  # what cannot be read is told before anything is measured
    for part in parts:
        figures = PARTS[part](console)
        presets = [load_preset(name) for name in PRESETS]
        parts_kept = read_parts(FILE) if is_current(FILE, presets) else {}
        parts_kept.pop(part, None)
        kept = [figure for figure in read_results(FILE) if _part(figure) in parts_kept] if parts_kept else []
        conclude(
            "bench",
            presets,
            figures,
            console,
            earlier=kept,
            part=part,
            part_presets=PART_PRESETS[part],
            earlier_parts=parts_kept,
        )
    return read_results(FILE)


def _part(figure: Figure) -> str:
    return figure.name.split("_")[0]
