"""One matmul from memory to memory on the full core, and how fast its default simulator is while the array is busy."""

from rich.console import Console

from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import OPERAND, busy_window, gemm_case, run_case
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.simulators import patched

__all__ = ["PRESET", "measure"]

PRESET = "trn2"
K, M, N = 128, 128, 512
DENSE = 512
"""Size of the GEMM whose window, without gaps and thousands of cycles long, gives the pace of a busy array."""
PES_GOAL = 10_000_000


def measure(console: Console) -> list[Figure]:
    """K x M x N bit for bit; build time; cycles, MAC and PE-cycles a second of wall clock."""
    config = load_preset(PRESET)
    machine = Machine(config=config, observe="trace", fast=True)
    with patched({"CCACHE_RECACHE": "1"}):  # the build's time is a figure: nothing of it may come from the cache
        built = machine.build(progress=True)
    run = run_case(machine, gemm_case(config, K, M, N))
    dense = run_case(machine, gemm_case(config, DENSE, DENSE, DENSE))
    pes = config.tensor.rows * config.tensor.columns
    busy = dense.result.pace(*busy_window(config, dense))
    idle = run.result.pace(0, run.first_load)
    macs = K * M * N / (run.window / busy)
    figures = [
        Figure(name="matmul_simulator", value=machine.simulator, unit="name"),
        at_most("matmul_mismatched", run.mismatched + dense.mismatched, "values", bar=0, kind="must"),
        Figure(name="matmul_compared", value=run.compared + dense.compared, unit="values"),
        Figure(name="matmul_build_seconds", value=round(built.seconds, 1), unit="s"),
        Figure(name="matmul_cycles", value=run.result.cycles, unit="cycles"),
        Figure(name="matmul_window", value=run.window, unit="cycles"),
        Figure(name="matmul_seconds", value=round(run.result.seconds, 2), unit="s"),
        Figure(name="matmul_cycles_per_second", value=round(run.result.cycles_per_second), unit="cycles/s"),
        Figure(name="matmul_idle_cycles_per_second", value=round(idle), unit="cycles/s"),
        Figure(name="matmul_busy_cycles_per_second", value=round(busy), unit="cycles/s"),
        Figure(name="matmul_macs_per_second", value=round(macs), unit="MAC/s"),
        at_least("matmul_busy_pe_cycles_per_second", round(busy * pes), "PE-cycles/s", bar=PES_GOAL, kind="goal"),
    ]
    print_figures(f"{K} x {M} x {N} {OPERAND.name} from memory to memory on {PRESET}, {pes:,} PEs", figures, console)
    return figures
