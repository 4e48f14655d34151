"""The timing model against the RTL: issue and finish of every instruction, under four memories."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from makalu.examples.digits import network, train
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.gemm import cores
from makalu.sw.cli.kernels import CONDITIONS, Case, gemm_case, make_case, run_case
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["measure"]

NETWORK_PRESET = "trn2-mini"


def measure(console: Console) -> list[Figure]:
    """Largest difference in cycles for each program and memory; a must of 0. Bits are compared as well."""
    figures: list[Figure] = []
    table = Table(title="timing model against RTL: largest difference of an issue or finish [cycles]")
    table.add_column("program")
    for heading in ("events", *(condition.name for condition in CONDITIONS), "mismatched"):
        table.add_column(heading, justify="right")
    for name, machine, case in _cases():
        runs = {condition.name: run_case(machine, case, condition) for condition in CONDITIONS}
        mismatched = sum(run.mismatched for run in runs.values())
        events = sum(run.events for run in runs.values())
        table.add_row(name, str(events), *(f"{run.difference:g}" for run in runs.values()), str(mismatched))
        figures += [
            at_most(f"timing_{name}_{memory}_difference", run.difference, "cycles", bar=0, kind="must")
            for memory, run in runs.items()
        ]
        figures.append(Figure(name=f"timing_{name}_events", value=events, unit="issues and finishes"))
        figures.append(at_most(f"timing_{name}_mismatched", mismatched, "values", bar=0, kind="must"))
        for run in runs.values():
            if run.first is not None:
                console.print(f"{name}: {run.first}")
    console.print(table)
    return figures


def _cases() -> Iterator[tuple[str, Machine, Case]]:
    yield _network()
    for config, sizes in cores():
        machine = Machine(config=config, observe="trace", fast=True)
        machine.build(progress=True)
        for size in sizes:
            tensor = config.tensor
            name = f"gemm_{size}_{tensor.rows}x{tensor.columns}_L{tensor.add_stages}"
            yield name, machine, gemm_case(config, size, size, size)


def _network() -> tuple[str, Machine, Case]:
    """The digits classifier as `makalu sim` runs it."""
    config = load_preset(NETWORK_PRESET)
    data = train.digits()
    weights = train.train(data)
    program = network.compile_network(config, weights, images=len(data.test_labels))
    machine = Machine(config=config, observe="trace", fast=True)
    machine.build(progress=True)
    return "network", machine, make_case(config, program, network.network_inputs(weights, data.test_images), "logits")
