"""`makalu scaling`: the same GEMM and the same copy on the three generations' quarter-size cores, measured on the RTL.

Clock, cores and partitions are multiplied on top afterwards, each in a column of its own, so that it shows which part
of a published ratio is the core, the clock or the chip.
"""

from rich.console import Console
from rich.table import Table

from makalu.hw.spec.config import load_preset
from makalu.sw.cli.kernels import run_copy, run_gemm
from makalu.sw.results import Figure, at_most, write_results
from makalu.sw.rtl.machine import Machine

__all__ = ["scaling"]

GENERATIONS = ("trn1", "trn2", "trn3")
GEMM = 256
COPY_ROWS, COPY_COLUMNS = 32, 8192
PUBLISHED_TFLOPS = {"trn1": 190.0, "trn2": 667.0, "trn3": 671.0}
"""bf16 dense TFLOPS a chip; Neuron SDK documentation, neuron-hardware/trainium{,2,3}.rst."""
PUBLISHED_BANDWIDTH = {"trn1": 0.82, "trn2": 2.9, "trn3": 4.9}
"""TB/s of HBM a chip; same source."""
FLOP_PER_MAC = 2
TERA = 1e12


def scaling(console: Console) -> list[Figure]:
    """Measure, print, write `build/results/scaling.json`."""
    figures: list[Figure] = []
    rows: dict[str, dict[str, float]] = {}
    for generation in GENERATIONS:
        config = load_preset(f"{generation}-mini")
        machine = Machine(config=config, observe="trace", fast=True)
        with console.status(f"building {config.name}"):
            machine.build()
        gemm = run_gemm(machine, GEMM, GEMM, GEMM)
        copy = run_copy(machine, COPY_ROWS, COPY_COLUMNS)
        moved = 2 * 2 * COPY_ROWS * COPY_COLUMNS  # bf16, in and out
        macs, rate = GEMM**3 / gemm.window, moved / copy.result.cycles
        product = config.product
        scale = product.full_partitions / config.partitions
        rows[generation] = {
            "gemm_cycles": gemm.window,
            "macs_per_cycle": macs,
            "copy_cycles": copy.result.cycles,
            "bytes_per_cycle": rate,
            "core_tflops": macs * scale**2 * FLOP_PER_MAC * product.tensor_clock_hz / TERA,
            "chip_tflops": macs * scale**2 * FLOP_PER_MAC * product.tensor_clock_hz * product.cores_per_chip / TERA,
            "chip_terabytes_per_s": rate * scale * product.tensor_clock_hz * product.cores_per_chip / TERA,
            "published_tflops": PUBLISHED_TFLOPS[generation],
            "published_terabytes_per_s": PUBLISHED_BANDWIDTH[generation],
        }
        mismatched = gemm.mismatched + copy.mismatched
        figures.append(at_most(f"{generation}_mismatched", mismatched, "values", bar=0, kind="must"))
    for generation, row in rows.items():
        figures += [Figure(name=f"{generation}_{name}", value=value, unit=_unit(name)) for name, value in row.items()]
    for generation in GENERATIONS[1:]:
        for name in ("macs_per_cycle", "bytes_per_cycle", "chip_tflops", "chip_terabytes_per_s", "published_tflops"):
            ratio = rows[generation][name] / rows["trn1"][name]
            figures.append(Figure(name=f"{generation}_over_trn1_{name}", value=ratio, unit="ratio"))
    ratio = rows["trn3"]["macs_per_cycle"] / rows["trn2"]["macs_per_cycle"]
    figures.append(Figure(name="trn3_over_trn2_macs_per_cycle", value=ratio, unit="ratio"))
    _report(console, rows)
    path = write_results("scaling", load_preset("trn2-mini"), figures)
    console.print(f"figures: {path.relative_to(path.parents[2])}")
    return figures


def _unit(name: str) -> str:
    if name.endswith("_cycles"):
        return "cycles"
    if name.endswith("tflops"):
        return "TFLOPS"
    if name.endswith("terabytes_per_s"):
        return "TB/s"
    return name.split("_")[0] + "/cycle"


def _report(console: Console, rows: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"GEMM {GEMM}^3 and copy {COPY_ROWS} x {COPY_COLUMNS} bf16 on the quarter-size cores' RTL")
    table.add_column("figure")
    for generation in rows:
        table.add_column(generation, justify="right")
    table.add_column("trn2 / trn1", justify="right")
    table.add_column("trn3 / trn2", justify="right")
    for name in rows["trn1"]:
        one, two, three = (rows[generation][name] for generation in GENERATIONS)
        table.add_row(name, *(f"{value:,.2f}" for value in (one, two, three)), f"{two / one:.2f}", f"{three / two:.2f}")
    console.print(table)
    console.print(
        "*_per_cycle and *_cycles: measured. core_ and chip_: measured, times (128/32) partitions, clock and cores; "
        "published_: per chip, Neuron SDK documentation. bf16 MACs a cycle and core are the same in all generations."
    )
