"""Runs the rows of the suite: on the RTL against golden and the timing model, or on the timing model alone."""

from typing import Any

from makalu.sim_models.timing.core import Timeline
from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel
from makalu.spec.isa import Queue
from makalu.spec.preset import load_preset
from makalu.sw.cli.kernels import Case, make_case, run_case
from makalu.sw.cli.scaling.kinds import KINDS, Kind
from makalu.sw.cli.scaling.runs import BY, MOST_CYCLES, Run
from makalu.sw.cli.scaling.suite import SUITE, Kernel, Work
from makalu.sw.report.record import RunRecord
from makalu.sw.report.roofline import roofline
from makalu.sw.report.rows import rows_of
from makalu.sw.rtl.machine import Machine
from makalu.sw.timing import predict

__all__ = ["machine_of", "measured", "measured_row", "rows"]


def rows(config: CoreConfig) -> list[tuple[Kernel, Kind]]:
    """All that a core can run, in the order of the suite."""
    return [(kernel, kind) for kernel in SUITE.values() for kind in kernel.kinds(config)]


def measured(
    config: CoreConfig, kernel: Kernel, kind: Kind, machine: Machine | None = None, *, most: int = MOST_CYCLES
) -> Run:
    """One row. Errors: `StoppedError`; what the compiler, golden and the timing model refuse."""
    work = kernel.build(config, kind)
    timeline = predict(work.program, config)
    by, window = BY[1], _window(timeline)
    checked: dict[str, Any] = {}
    if machine is not None and timeline.cycles <= most:
        run = run_case(machine, _case(config, work), progress=False)
        timeline, by, window = run.timeline, BY[0], run.window if work.macs else 0
        checked = {"mismatched": run.mismatched, "compared": run.compared, "difference": run.difference}
    record = RunRecord(config=config, program=work.program, timeline=timeline)
    roof = roofline(record, rows_of(record))
    return Run(
        preset=config.name,
        kernel=kernel.name,
        kind=kind.name,
        by=by,
        cycles=timeline.cycles if kernel.whole else window,
        total_cycles=timeline.cycles,
        macs=work.macs,
        bytes_read=roof["bytes_read"],
        bytes_written=roof["bytes_written"],
        **checked,
    )


def machine_of(config: CoreConfig) -> Machine:
    """The core on lanes, which takes a tenth of Verilator's time and leaves the same trace and memory."""
    return Machine(config=config, simulator="lanes", observe="trace", fast=True)


def measured_row(row: tuple[str, str, str, bool]) -> Run:
    """`measured` by the names of preset, kernel and kind, on a machine that is built already where that is True."""
    preset, kernel, kind, on_rtl = row
    config = load_preset(preset)
    return measured(config, SUITE[kernel], KINDS[kind], machine_of(config) if on_rtl else None)


def _case(config: CoreConfig, work: Work) -> Case:
    return make_case(config, work.program, work.inputs, work.program.outputs[0].name)


def _window(timeline: Timeline) -> int:
    """As `KernelRun.window`: from the first load's issue to the last commit to PSUM, which is the last finish."""
    first = [event.cycle for event in timeline.issues if event.where is Queue.TENSOR]
    ends = [event.cycle for event in timeline.finishes if event.where is Channel.MATMUL]
    return max(ends) - min(first) + 1 if ends else 0
