"""Parts of `makalu bench` on small stand-ins: what is compared, what a clean build is, what a part states."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from makalu.examples.gemm import steps
from makalu.examples.gemm.blocked import blocked
from makalu.spec.isa import Opcode
from makalu.spec.preset import PRESETS, load_preset
from makalu.sw.cli.bench import PARTS, anchors, anew, bram, golden, lanes, nki, pace
from makalu.sw.cli.bench.anew import build_anew, children_cpu_seconds
from makalu.sw.cli.bench.lanes import Differences, differences
from makalu.sw.cli.docs import sections
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.report.record import RunRecord
from makalu.sw.report.rows import rows_of
from makalu.sw.rtl.machine_build import MachineBuildError
from makalu.sw.rtl.run_files import RunResult
from makalu.sw.rtl.synthesis import Cells
from makalu.sw.run import run_golden
from makalu.sw.timing import predict

QUIET = Console(quiet=True)


def result(**changes):
    settings = {"image": np.zeros(64, np.uint8), "registers": {"status": 1, "cycles": 9}, "notes": ()}
    rest = {"cycles": 9, "earlier": (), "trace": None, "log": None, "simulated_cycles": 9, "seconds": 1.0}
    return RunResult(**(rest | settings | changes))


def run(rows=((1, 2), (3, 4), (5, 6)), **changes):
    return SimpleNamespace(trace=SimpleNamespace(raw=np.array(rows, np.uint8)), result=result(**changes))


def test_equal_runs_have_no_differences():
    assert differences(run(), run()) == Differences()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (run(rows=((1, 2), (9, 9), (5, 7))), Differences(trace=2)),
        (run(rows=((1, 2), (3, 4))), Differences(trace=1)),
        (run(rows=((1, 2), (3, 4), (5, 6), (7, 8))), Differences(trace=1)),
        (run(image=np.arange(64, dtype=np.uint8)), Differences(memory=63)),
        (run(registers={"status": 1, "cycles": 8}), Differences(registers=1)),
        (run(registers={"status": 1}), Differences(registers=1)),
    ],
)
def test_every_difference_is_counted(other, expected):
    assert differences(run(), other) == expected == differences(other, run())


def test_pace_goes_by_either_clock():
    notes = ((100, 1.0, 11.0), (300, 3.0, 11.5), (500, 4.0, 12.0), (900, 9.0, 99.0))
    seen = result(notes=notes)
    assert seen.pace(50, 600) == pytest.approx(400 / 3) and seen.pace(50, 600, cpu=True) == pytest.approx(400)
    with pytest.raises(ValueError, match="cycles 600 to 800 must have two notes"):
        seen.pace(600, 800, cpu=True)


def test_a_clean_build_goes_to_the_machines_and_is_charged_its_cpu(monkeypatch, tmp_path):
    """The child is a stand-in: it leaves a machine in the folder that it is given, and works for a while."""
    child = tmp_path / "python"
    child.write_text(
        '#!/bin/sh\n[ "$CCACHE_RECACHE" = 1 ] || exit 1\nmkdir -p "$MAKALU_BUILD/machines/$3-$4" || exit 1\n'
        'mkdir "$MAKALU_BUILD/texts"; echo {} > "$MAKALU_BUILD/texts/tiny.json"\n'
        'i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done\necho "$MAKALU_BUILD/machines/$3-$4"\n'
    )
    child.chmod(0o755)
    monkeypatch.setattr(anew.sys, "executable", str(child))
    monkeypatch.setattr(anew, "BUILD", tmp_path)
    monkeypatch.setattr(anew, "MACHINES", tmp_path / "kept")
    monkeypatch.setattr(anew, "TEXTS", tmp_path / "kept" / "texts")
    before = children_cpu_seconds()
    build = build_anew("tiny", "lanes", QUIET)
    assert (tmp_path / "kept" / "tiny-lanes").is_dir() and (tmp_path / "kept" / "texts" / "tiny.json").is_file()
    assert not list(tmp_path.glob(".anew-*"))
    assert 0 < build.cpu_seconds <= children_cpu_seconds() - before
    child.write_text("#!/bin/sh\necho no compiler >&2\nexit 1\n")
    with pytest.raises(MachineBuildError, match="tiny on lanes: no compiler"):
        build_anew("tiny", "lanes", QUIET)


def test_golden_states_its_pace(monkeypatch):
    for name, value in {"PRESET": "tiny", "K": 8, "M": 4, "N": 16, "GEMM": 8, "CHAIN_RUNS": 1}.items():
        monkeypatch.setattr(golden, name, value)
    figures = {figure.name: figure for figure in golden.measure(QUIET)}
    assert figures["golden_mismatched"].value == 0 and figures["golden_gemm_macs_per_second"].value > 0
    assert figures["golden_macs_per_second"].value == min(
        figures[f"golden_{mode}_macs_per_second"].value for mode in ("keep", "flush")
    )


def test_pace_is_a_row_a_preset(monkeypatch):
    """Every preset is measured, on lanes at least; without Icarus its cells are empty."""
    monkeypatch.setattr(pace, "_measure", lambda preset, simulator, sizes, console: (1000, 2.5, 0))
    monkeypatch.setattr(pace, "have_icarus", lambda: False)
    figures = pace.measure(QUIET)
    assert set(pace.MEASURED) == set(PRESETS)
    keys = ("name", "value", "unit", "bar", "kind", "met")
    rows = [{key: getattr(figure, key) for key in keys} for figure in figures]
    when = {"date": "2026-01-01", "versions": {}}
    (text,) = sections({"command": "bench", "preset": "x", "figures": rows, "parts": {"pace": when}}).values()
    (tiny,) = (line for line in text.splitlines() if line.startswith("| tiny "))
    assert tiny.split(" | ")[1:4] == ["1,000", "1,000", ""] and text.count("| 1,000 ") == 16
    assert "| trn2-mini | " in text and "missed" not in text


def test_lanes_judges_by_the_best_of_its_runs():
    config = load_preset("tiny")

    def pair(speed):
        notes = tuple((int(10 * n * speed), 1.0 * n, 0.1 * n) for n in range(1000))
        one = SimpleNamespace(result=result(notes=notes), first_load=4000, window=4000)
        return one, one

    paces = {name: lanes._Paces(config) for name in ("verilator", "avx512", "avx2", "plain")}
    paces[lanes.TWO_THREADS] = lanes._Paces(config, threads=2)
    paces[lanes.TWO_THREADS].add(*pair(40.0))
    for name, speeds in {"verilator": (1.0, 0.9), "avx512": (3.0, 20.0), "avx2": (8.0,), "plain": (3.9,)}.items():
        for speed in speeds:
            paces[name].add(*pair(speed))
    figures = {figure.name: figure for figure in lanes._figures(config, paces, "avx512")}
    assert figures["lanes_busy_ratio"].value == pytest.approx(20, rel=0.01) and figures["lanes_busy_ratio"].met
    assert figures["lanes_avx2_busy_ratio"].met and not figures["lanes_plain_busy_ratio"].met
    assert figures["lanes_busy_pe_cycles_per_second"].value == pytest.approx(2000 * 16, rel=0.01)
    # by the clock on the wall, which goes ten times as fast here
    assert figures["lanes_two_threads_busy_pe_cycles_per_second"].value == pytest.approx(400 * 16, rel=0.01)


def test_figures_start_with_the_name_of_their_part():
    assert all("_" not in part for part in PARTS)


def stand_in(monkeypatch, part, **values):
    for name, value in values.items():
        monkeypatch.setattr(part, name, value)
    return {figure.name: figure for figure in part.measure(QUIET)}


def test_the_front_end_is_measured_on_golden_too(monkeypatch):
    small = {"PRESET": "small", "K": 32, "M": 32, "N": 1024, "BLOCKS": {"tiles_m": 1, "tiles_n": 1, "tiles_k": 2}}
    figures = stand_in(monkeypatch, nki, **small, SHORT=60, LONG=200, RUNS=1)
    assert figures["nki_blocked_golden_mismatched"].met and figures["nki_blocked_seconds"].met
    assert 195 <= figures["nki_turns_operations"].value <= 200
    assert all(figures[f"nki_{kernel}_growth"].kind == "must" for kernel in ("turns", "sums"))


@pytest.mark.parametrize("step", ["tiled", "hoisted", "free_blocked", "blocked"])
def test_every_step_computes_the_same_product(step):
    """Two panels each way, and as much loaded as the step says."""
    config = load_preset("small")
    rows, height, width = config.tensor.rows, config.tensor.columns, config.psum.bank_elems
    m, k, n = 4 * height, 4 * rows, 4 * width
    specs = {"lhs_t": TensorSpec((k, m), nl.bfloat16), "rhs": TensorSpec((k, n), nl.bfloat16)}
    given = {"tiles_m": 2, "tiles_n": 2, "tiles_k": 2} if step == "blocked" else {}
    kernel = blocked if step == "blocked" else getattr(steps, step)
    program = compile_kernel(kernel, config, **specs, **given)
    random = np.random.default_rng(0)
    inputs = {name: random.integers(-1, 2, spec.shape).astype(np.float32) for name, spec in specs.items()}
    assert (run_golden(program, inputs, config=config)["result"] == inputs["lhs_t"].T @ inputs["rhs"]).all()
    loads = {"tiled": 4 * k * m + 4 * k * n, "hoisted": k * m + 4 * k * n, "free_blocked": k * m + 2 * k * n}
    loads["blocked"] = 2 * k * m + k * n
    record = RunRecord(config=config, program=program, timeline=predict(program, config))
    moved = sum(row.bytes for row in rows_of(record) if row.instruction.opcode is Opcode.DMA_LOAD)
    assert loads[step] * 2 <= moved <= loads[step] * 2 + 4 * rows  # and a column of zeros


def test_block_ram_is_counted_by_instances(monkeypatch):
    """Variants of a block are one row, small ones are together; a memory in flip-flops misses a must."""
    module = "module {0}(clk);\n  input clk;\n{1}endmodule\n"
    parts = ("a_1_2", "a_1_2", "a_3_4", "b")
    text = module.format("core", "".join(f"  {name} i{n} (\n  );\n" for n, name in enumerate(parts)))
    text += "".join(module.format(name, "  reg [7:0] w [3:0];\n") for name in ("a_1_2", "a_3_4", "b"))

    def verilog(core):
        core._MustUse__used = True  # Amaranth reports a component that is never elaborated
        return text

    def synthesised(blocks, family, report, *, memories_only):
        counts = {"core": (0, 0), "a_1_2": (400, 1), "a_3_4": (195, 2), "b": (5, 0), "bank": (0, 4)}
        ram = {"b": {"b.w": "flip-flops"}} if family == "ecp5" else {}
        kinds = dict.fromkeys(bram.KINDS, 0)
        return {
            b.name: Cells({**kinds, "lut": counts[b.name][0], "block_ram": counts[b.name][1]}, ram.get(b.name, {}))
            for b in blocks
        }

    figures = stand_in(monkeypatch, bram, core_verilog=verilog, synthesise_all=synthesised)
    assert [figures[f"bram_tiny_ecp5_a_{key}"].value for key in ("instances", "lut", "block_ram")] == [3, 995, 4]
    assert figures["bram_tiny_ecp5_whole_lut"].value == 1000 and figures["bram_tiny_ecp5_other_lut"].value == 5
    assert figures["bram_bank_ecp5_block_ram"].met and not figures["bram_bank_xc7_block_ram"].met
    assert not figures["bram_tiny_ecp5_memories_ff"].met and figures["bram_tiny_xc7_memories_ff"].met
    assert figures["bram_tiny_xc7_memories_block_ram"].value == 4


def test_anchors_are_a_row_each_in_the_docs(monkeypatch):
    small = [replace(anchor, shape=(32, 64, 1024)) for anchor in anchors.ANCHORS if anchor.name == "tiled"]
    figures = stand_in(monkeypatch, anchors, PRESET="small", ANCHORS=small)
    assert figures["anchors_tiled_published_ms"].value == 51.8
    rows = [vars(figure) for figure in figures.values()]
    when = {"date": "2026-01-01", "versions": {}}
    (text,) = sections({"command": "bench", "preset": "x", "figures": rows, "parts": {"anchors": when}}).values()
    (row,) = (line for line in text.splitlines() if line.startswith("| tiled "))
    assert " | 51.8" in row and "line 341" in row and row.count("|") == len(anchors.COLUMNS) + 2
