"""`makalu energy`: energy a MAC of the PE of each generation, from the gates' activity in an open cell library."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from makalu.examples.gemm.gemm import gemm
from makalu.examples.gemm.mx import mx_gemm
from makalu.hw.tensor.pe import Pe
from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import conclude, say_where
from makalu.sw.cli.energy_plot import energy_plot
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import Program
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.results import RESULTS, Figure, at_most
from makalu.sw.rtl.energy.account import Energy, area_of, leakage_of
from makalu.sw.rtl.energy.cells import LIBRARY, Library, library
from makalu.sw.rtl.energy.gates import icarus
from makalu.sw.rtl.energy.measure import Measured, measure
from makalu.sw.rtl.energy.movement import MEMORIES, PUBLISHED, Price, moved_by, priced, prices
from makalu.sw.rtl.energy.netlist import Netlist, netlist_of
from makalu.sw.rtl.energy.operands import IDLE, KINDS, Kind, play_of

__all__ = ["CASES", "NETLISTS", "REFERENCE", "energy", "energy_figures", "movement_figures"]

CASES: Mapping[str, tuple[str, ...]] = {
    "trn1": ("bf16", "idle"),
    "trn2": ("bf16", "sparse", "fp8", "idle"),
    "trn3": ("bf16", "sparse", "fp8", "mxfp8", "mxfp4", "idle"),
}
"""What each generation's PE is measured with."""
REFERENCE = ("trn1", "bf16")
"""The PE that multiplies one pair of operands a cycle; its energy a MAC is what others are compared with."""
NETLISTS = ("plain", "gated")
"""Without clock gates and with them."""
GOALS: Mapping[tuple[str, str], float] = {
    ("trn2", "fp8"): 0.60,
    ("trn3", "mxfp8"): 0.42,
    ("trn3", "mxfp4"): 0.28,
    ("trn3", "bf16"): 1.05,
}
"""At most, of the reference's energy a MAC, with glitches and wires."""
GEMM = 256
MOVEMENT = (
    *(("trn1-mini", "bf16"), ("trn2-mini", "bf16"), ("trn2-mini", "fp8")),
    *(("trn3-mini", "bf16"), ("trn3-mini", "mxfp8"), ("trn3-mini", "mxfp4")),
)
"""A GEMM of GEMM^3 whose bytes are counted."""
_SHOWN = ("MAC a cycle", "pJ a cycle", "clock", "registers", "logic", "nets", "pJ a MAC", "bare", "to bf16")


@dataclass(frozen=True)
class _Case:
    netlist: str
    generation: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.netlist}_{self.generation}_{self.kind}"


def energy(console: Console, *, table: Path = PUBLISHED) -> list[Figure]:
    """Measure, print, write `build/results/energy.json` and the plot; `table`: published energies of memories.

    Errors: `LibraryError` and `GatesError` where the library or Icarus is not installed, `MissedError` for wrong bits.
    """
    cells, published = library(LIBRARY), prices(table)
    icarus()
    writable_folder(RESULTS)
    configs = {generation: load_preset(generation) for generation in CASES}
    netlists: dict[tuple[str, str], Netlist] = {}
    results: dict[_Case, Measured] = {}
    with console.status("synthesis") as status, ThreadPoolExecutor(2) as pool:
        jobs = {
            (form, generation): pool.submit(
                netlist_of, Pe(tensor=config.tensor), cells, LIBRARY, clock_gates=form == "gated"
            )
            for generation, config in configs.items()
            for form in NETLISTS
        }
        netlists = {key: job.result() for key, job in jobs.items()}
        cases = [_Case(form, each, kind) for form in NETLISTS for each, kinds in CASES.items() for kind in kinds]
        runs = {
            case: pool.submit(
                measure,
                netlists[case.netlist, case.generation],
                cells,
                play_of(KINDS[case.kind], configs[case.generation].tensor),
            )
            for case in cases
        }
        for case, run in runs.items():
            status.update(f"gates: {case.name}")
            results[case] = run.result()
    figures = energy_figures({(c.netlist, c.generation, c.kind): result for c, result in results.items()})
    figures += _netlist_figures(netlists, cells)
    figures += movement_figures(published)
    for form in NETLISTS:
        console.print(_table(form, {c: r for c, r in results.items() if c.netlist == form}))
    path = RESULTS / "energy.png"
    path.write_bytes(energy_plot(figures))
    say_where(path, console, "plot")
    conclude("energy", list(configs.values()), figures, console)
    return figures


def energy_figures(results: Mapping[tuple[str, str, str], Measured]) -> list[Figure]:
    """Of (netlist, generation, kind); the goals are judged on netlists with clock gates."""
    wrong = sum(result.wrong for result in results.values())
    judged = sum(result.judged for result in results.values())
    figures = [Figure(name="results_judged", value=judged, unit="sums")]
    figures.append(at_most("results_wrong", wrong, "sums", bar=0, kind="must"))
    for (form, generation, kind), result in results.items():
        name, full = f"{form}_{generation}_{kind}", result.energies[True, True]
        macs = KINDS[kind].macs
        figures.append(Figure(name=f"{name}_macs", value=macs, unit="MAC/cycle"))
        figures += [
            Figure(name=f"{name}_{part}_pj", value=round(value, 2), unit="pJ/cycle") for part, value in parts(full)
        ]
        for (glitches, wires), label in _WAYS.items():
            value = round(result.energies[glitches, wires].total, 2)
            figures.append(Figure(name=f"{name}_{label}_pj", value=value, unit="pJ/cycle"))
        figures.append(Figure(name=f"{name}_toggles", value=round(full.toggles), unit="toggles/cycle"))
        if macs:
            figures += _a_mac(form, generation, kind, results)
    return figures


_WAYS = {
    (False, False): "bare",
    (False, True): "wires",
    (True, False): "glitches",
    (True, True): "cycle",
}
"""With glitches, with wires."""


def parts(energy: Energy) -> list[tuple[str, float]]:
    """What the energy of a cycle is made of."""
    return [(name, getattr(energy, name)) for name in ("clock", "registers", "logic", "nets")]


def _a_mac(form: str, generation: str, kind: str, results: Mapping[tuple[str, str, str], Measured]) -> list[Figure]:
    name, macs = f"{form}_{generation}_{kind}", KINDS[kind].macs
    values = {}
    for way, label in (((True, True), "mac"), ((False, False), "bare_mac")):
        values[label] = results[form, generation, kind].energies[way].total / macs
        reference = results.get((form, *REFERENCE))
        if reference is not None:
            values[f"{label}_ratio"] = values[label] / reference.energies[way].total
    out = []
    for label, value in values.items():
        unit = "x" if label.endswith("ratio") else "pJ/MAC"
        goal = GOALS.get((generation, kind)) if form == "gated" and label == "mac_ratio" else None
        if goal is None:
            out.append(Figure(name=f"{name}_{label}", value=round(value, 3), unit=unit))
        else:
            out.append(at_most(f"{name}_{label}", round(value, 3), unit, bar=goal, kind="goal"))
    return out


def movement_figures(published: Mapping[str, Price]) -> list[Figure]:
    """Bytes of a GEMM on the quarter-size cores, and what published energies make of them a MAC."""
    out = [
        Figure(name=f"price_{name}", value=price.value, unit=f"pJ/byte, {price.node}")
        for name, price in published.items()
    ]
    for preset, kind in MOVEMENT:
        moved = moved_by(_gemm(load_preset(preset), KINDS[kind]))
        name = f"moved_{preset}_{kind}"
        out.append(Figure(name=f"{name}_macs", value=moved.macs, unit="MAC"))
        for memory in MEMORIES:
            out.append(Figure(name=f"{name}_{memory}_read", value=moved.read[memory], unit="bytes"))
            out.append(Figure(name=f"{name}_{memory}_written", value=moved.written[memory], unit="bytes"))
        for memory, value in priced(moved, published).items():
            out.append(Figure(name=f"{name}_{memory}_pj", value=round(value, 3), unit="pJ/MAC"))
    return out


def _gemm(config: CoreConfig, kind: Kind) -> Program:
    """GEMM^3 of the kind's operands."""
    if kind.container is not None:
        rows, specs = GEMM // kind.products, {}
        for name in ("a", "b"):
            specs[name] = TensorSpec((rows, GEMM), kind.container)
            specs[f"{name}_scale"] = TensorSpec((rows // GROUP_PARTITIONS, GEMM), nl.uint8)
        return compile_kernel(mx_gemm, config, **specs)
    specs = {name: TensorSpec((GEMM, GEMM), kind.element) for name in ("a", "b")}
    return compile_kernel(gemm, config, **specs, resident=True, rows=kind.products)


def _netlist_figures(netlists: Mapping[tuple[str, str], Netlist], cells: Library) -> list[Figure]:
    out = []
    for (form, generation), netlist in netlists.items():
        name = f"netlist_{generation}_{form}"
        flip_flops = [each for each, cell in cells.cells.items() if cell.state is not None and cell.state.kind == "ff"]
        latches = [each for each, cell in cells.cells.items() if cell.state is not None and cell.state.kind == "latch"]
        out += [
            Figure(name=f"{name}_cells", value=len(netlist.instances), unit="cells"),
            Figure(name=f"{name}_flip_flops", value=netlist.count(*flip_flops), unit="cells"),
            Figure(name=f"{name}_clock_gates", value=netlist.count(*latches), unit="gates"),
            Figure(name=f"{name}_area", value=round(area_of(netlist, cells)), unit="um^2"),
            Figure(name=f"{name}_leakage", value=round(leakage_of(netlist, cells), 1), unit="nW"),
        ]
    return out


def _table(form: str, results: Mapping[_Case, Measured]) -> Table:
    table = Table(title=f"PE in osu018, {form} netlist; bare: no glitches, no wires; pJ")
    table.add_column("PE and operands")
    for heading in _SHOWN:
        table.add_column(heading, justify="right")
    reference = results[_Case(form, *REFERENCE)].energies[True, True].total
    for case, result in results.items():
        full, bare, macs = result.energies[True, True], result.energies[False, False], KINDS[case.kind].macs
        cells = [str(macs), f"{full.total:.1f}", *(f"{value:.1f}" for _, value in parts(full))]
        if KINDS[case.kind] is not IDLE:
            cells += [f"{full.total / macs:.1f}", f"{bare.total / macs:.1f}", f"{full.total / macs / reference:.3f}"]
        table.add_row(f"{case.generation} {case.kind}", *cells)
    return table
