"""`makalu sim`: the trained digit classifier on the RTL, every logit compared with the golden model."""

import numpy as np
from rich.console import Console
from rich.table import Table

from makalu.examples.digits import network, train
from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.isa import QUEUES
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import conclude, say_where
from makalu.sw.compile.program import Program
from makalu.sw.results import RESULTS, Figure, at_least, at_most
from makalu.sw.rtl.machine import Machine, RunResult, default_simulator
from makalu.sw.rtl.simulators import have_icarus
from makalu.sw.rtl.waves import Waves
from makalu.sw.run import run_golden
from makalu.sw.timing import predict

__all__ = ["PRESET", "SimError", "simulate"]

PRESET = "trn2-mini"
"""By default; the figures of another one are a trial."""
ACCURACY_BAR = 0.96
ACCURACY_POINTS = 0.005
"""Largest distance to numpy's float32, as a share of the images."""
MAX_CYCLES = 5_000_000
SMALL_PARTITIONS = 16
"""Cores below this take a small batch: their SBUF holds no more, and Icarus is slow."""
SMALL_BATCH = 16


class SimError(MakaluError, RuntimeError):
    """The simulator is missing, or the core stopped with an error."""


def simulate(
    preset: str, simulator: str | None, images: int | None, console: Console, waves: Waves | None = None
) -> list[Figure]:
    """Train, compile, run on golden and on the RTL, compare, report.

    `simulator` by default what suits the preset, Verilator where `waves` are wanted; `images` held-out images (all 360
    by default; a small batch for small cores). Writes `build/results/sim.json`; of a run that writes waves, whose pace
    is none, `build/results/waves/sim.json`.
    Errors: `SimError`, `WavesError`, `MissedError`.
    """
    writable_folder(RESULTS)
    config = load_preset(preset)
    simulator = simulator or ("verilator" if waves else default_simulator(config))
    if simulator == "icarus" and not have_icarus():
        raise SimError(
            "Icarus Verilog is not on PATH: it is no Python package. Debian and Ubuntu: apt-get install iverilog; "
            "others: https://steveicarus.github.io/iverilog/usage/installation.html"
        )
    machine = Machine(config=config, simulator=simulator, fast=True, waves=waves is not None)
    with console.status("training 64-64-10 on scikit-learn's digits"):
        data = train.digits()
        weights = train.train(data)
    available = len(data.test_labels)
    default = available if config.partitions >= SMALL_PARTITIONS else SMALL_BATCH
    count = min(images or default, available)
    batch, labels = data.test_images[:count], data.test_labels[:count]
    program: Program = network.compile_network(config, weights, images=count)
    inputs = network.network_inputs(weights, batch)
    with console.status("golden model"):
        golden = run_golden(program, inputs, config=config)["logits"]
    float32 = train.logits(weights, batch)

    built = machine.build(progress=True)
    console.print(f"{config.name} on {simulator}: {'reused the earlier build' if built.reused else 'built'}")
    result = machine.run(
        program.image(inputs),
        program.addresses,
        max_cycles=MAX_CYCLES,
        progress=True,
        expected=predict(program, config).cycles,
        waves=waves,
    )
    if waves is not None:
        say_where(waves.path.absolute(), console, "waves")
    if result.error:
        raise SimError(f"the core stopped with an error: {result.registers}")
    logits = program.read(result.memory)["logits"]

    figures = [Figure(name="simulator", value=simulator, unit="name")]
    figures += _figures(config, program, result, logits, golden, float32, labels, all_images=count == available)
    _report(console, config, figures)
    conclude("sim", config, figures, console, folder=RESULTS / "waves" if waves else RESULTS)
    return figures


def _figures(
    config: CoreConfig,
    program: Program,
    result: RunResult,
    logits: np.ndarray,
    golden: np.ndarray,
    float32: np.ndarray,
    labels: np.ndarray,
    *,
    all_images: bool,
) -> list[Figure]:
    """The promise of an accuracy is about the whole held-out set: fewer images are a trial."""
    mismatched = int(np.count_nonzero(logits.view(np.uint32) != golden.view(np.uint32)))
    accuracy, reference = (train.accuracy(scores, labels) for scores in (logits, float32))
    shapes = [program.tensors[name].shape for name in ("w1", "w2")]
    macs = len(labels) * sum(int(np.prod(shape)) for shape in shapes)
    cycles = result.cycles
    places = cycles * config.tensor.rows * config.tensor.columns
    figures = [
        Figure(name="images", value=len(labels), unit="images"),
        Figure(name="logits_compared", value=int(logits.size), unit="values"),
        at_most("logits_mismatched", mismatched, "values", bar=0, kind="must"),
        at_least("accuracy", accuracy, "share", bar=ACCURACY_BAR, kind="must")
        if all_images
        else Figure(name="accuracy", value=accuracy, unit="share"),
        Figure(name="accuracy_float32", value=reference, unit="share"),
        at_most("accuracy_difference", abs(accuracy - reference), "share", bar=ACCURACY_POINTS, kind="must")
        if all_images
        else Figure(name="accuracy_difference", value=abs(accuracy - reference), unit="share"),
        Figure(name="cycles", value=cycles, unit="cycles"),
        Figure(name="array_utilisation", value=macs / places, unit="share"),
        Figure(name="cycles_per_second", value=round(result.cycles_per_second), unit="cycles/s"),
    ]
    for queue in QUEUES:
        name = queue.name.lower()
        figures.append(Figure(name=f"{name}_busy", value=result.registers[f"{name}_busy"] / cycles, unit="share"))
    return figures


def _report(console: Console, config: CoreConfig, figures: list[Figure]) -> None:
    table = Table(title=f"digits on {config.name}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("must")
    for f in figures:
        value = str(f.value) if isinstance(f.value, str) else f"{f.value:.2%}" if f.unit == "share" else f"{f.value:,}"
        table.add_row(f.name, value, "" if f.met is None else ("met" if f.met else f"MISSED ({f.bar})"))
    console.print(table)
