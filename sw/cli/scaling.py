"""`makalu scaling`: the same GEMM and the same copy on the three generations' quarter-size cores, measured on the RTL.

Clock, cores and chips are multiplied on top afterwards, each in a row of its own, so that it shows which part of a
published ratio is the core, the clock, the chip or the rack.
"""

from rich.console import Console
from rich.table import Table

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import conclude
from makalu.sw.cli.kernels import OPERAND, copy_case, gemm_case, run_case
from makalu.sw.results import RESULTS, Figure, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["GENERATIONS", "scale_up", "scaling"]

GENERATIONS = ("trn1", "trn2", "trn3")
GEMM = 256
COPY_ROWS, COPY_COLUMNS = 32, 8192
FLOP_PER_MAC = 2
TERA = 1e12
PUBLISHED_TFLOPS = {"trn1": 190.0, "trn2": 667.0, "trn3": 671.0}
"""bf16 dense TFLOPS a chip; Neuron SDK documentation, neuron-hardware/trainium{,2,3}.rst."""
PUBLISHED_TERABYTES = {"trn1": 0.82, "trn2": 2.9, "trn3": 4.9}
"""TB/s of HBM a chip; same source."""
CHIPS = {"trn1": 16, "trn2": 64, "trn3": 144}
"""Chips of the largest machine that is sold as one: trn1.32xlarge, Trn2 UltraServer, Trn3 UltraServer Gen2; Neuron SDK
documentation, neuron-hardware/trn{1,2,3}-arch.rst."""


def scale_up(generation: str, config: CoreConfig, *, macs: float, rate: float) -> dict[str, float]:
    """What `macs` and `rate` bytes a cycle of `config` come to in the product, one factor a row.

    The array is scaled by the square of full_partitions / partitions, the memory by the ratio itself: the presets scale
    the memory's bytes a cycle in the same way.
    """
    product = config.product
    ratio = product.full_partitions / config.partitions
    clock = product.tensor_clock_hz / TERA
    core_tflops, core_terabytes = macs * ratio**2 * FLOP_PER_MAC * clock, rate * ratio * clock
    cores, chips = product.cores_per_chip, CHIPS[generation]
    return {
        "core_tflops": core_tflops,
        "core_terabytes_per_s": core_terabytes,
        "chip_tflops": core_tflops * cores,
        "chip_terabytes_per_s": core_terabytes * cores,
        "server_tflops": core_tflops * cores * chips,
        "server_terabytes_per_s": core_terabytes * cores * chips,
        "published_chip_tflops": PUBLISHED_TFLOPS[generation],
        "published_chip_terabytes_per_s": PUBLISHED_TERABYTES[generation],
        "published_server_tflops": PUBLISHED_TFLOPS[generation] * chips,
        "published_server_terabytes_per_s": PUBLISHED_TERABYTES[generation] * chips,
    }


def scaling(console: Console) -> list[Figure]:
    """Measure, print, write `build/results/scaling.json`. Errors: `MissedError` when a bit is wrong."""
    writable_folder(RESULTS)
    figures: list[Figure] = []
    rows: dict[str, dict[str, float]] = {}
    configs = {generation: load_preset(f"{generation}-mini") for generation in GENERATIONS}
    for generation, config in configs.items():
        machine = Machine(config=config, observe="trace", fast=True)
        machine.build(progress=True)
        gemm = run_case(machine, gemm_case(config, GEMM, GEMM, GEMM))
        copy = run_case(machine, copy_case(config, COPY_ROWS, COPY_COLUMNS))
        moved = 2 * OPERAND.bytes * COPY_ROWS * COPY_COLUMNS  # in and out
        macs, rate = GEMM**3 / gemm.window, moved / copy.result.cycles
        rows[generation] = {
            "gemm_cycles": gemm.window,
            "macs_per_cycle": macs,
            "copy_cycles": copy.result.cycles,
            "bytes_per_cycle": rate,
            "memory_bytes_per_cycle": float(config.memory.rate),
            **scale_up(generation, config, macs=macs, rate=rate),
        }
        mismatched = gemm.mismatched + copy.mismatched
        figures.append(at_most(f"{generation}_mismatched", mismatched, "values", bar=0, kind="must"))
    for generation, row in rows.items():
        figures += [Figure(name=f"{generation}_{name}", value=value, unit=_unit(name)) for name, value in row.items()]
    for later, earlier in (("trn2", "trn1"), ("trn3", "trn2")):
        for name in rows[later]:
            ratio = rows[later][name] / rows[earlier][name]
            figures.append(Figure(name=f"{later}_over_{earlier}_{name}", value=ratio, unit="ratio"))
    _report(console, rows)
    conclude("scaling", list(configs.values()), figures, console)
    return figures


def _unit(name: str) -> str:
    if name.endswith("_cycles"):
        return "cycles"
    if name.endswith("tflops"):
        return "TFLOPS"
    if name.endswith("terabytes_per_s"):
        return "TB/s"
    return "MAC/cycle" if name == "macs_per_cycle" else "bytes/cycle"


def _report(console: Console, rows: dict[str, dict[str, float]]) -> None:
    table = Table(
        title=f"GEMM {GEMM}^3 and copy {COPY_ROWS} x {COPY_COLUMNS} {OPERAND.name} on the quarter-size cores' RTL"
    )
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
        "gemm_, copy_, *_per_cycle: measured; memory_: the preset's limit. core_: measured, times (128/32)^2 PEs or "
        "128/32 of the memory, times the clock; chip_: times cores; server_: times chips. published_: Neuron SDK "
        "documentation. bf16 MACs a cycle and core are the same in all generations."
    )
