"""The `makalu` command as a user calls it: what it makes, and that a user's mistake is one line and no traceback."""

import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from makalu.sim_models.golden.result import GoldenError
from makalu.spec import config as config_module
from makalu.spec.config_rules import ConfigError
from makalu.spec.encoding import InstructionError
from makalu.spec.errors import MakaluError
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import OutputError
from makalu.sw.cli import main
from makalu.sw.cli.conclusion import MissedError, conclude
from makalu.sw.cli.kernels import StoppedError
from makalu.sw.cli.main import app
from makalu.sw.cli.sim import SimError
from makalu.sw.cli.soak import SoakError
from makalu.sw.cli.verify import VerifyError
from makalu.sw.compile.allocate import AllocationError
from makalu.sw.compile.compiler import CompileError
from makalu.sw.compile.program import ProgramError
from makalu.sw.compile.schedule import ScheduleError
from makalu.sw.nki.errors import KernelError, LanguageError, NotBuiltError, NotInNkiError
from makalu.sw.paths import ROOT
from makalu.sw.results import at_most, read_results
from makalu.sw.rtl.machine import Machine, MachineError
from makalu.sw.rtl.machine_build import MachineBuildError
from makalu.sw.rtl.mutant_run import RecordError
from makalu.sw.rtl.mutants import MutantError
from makalu.sw.rtl.runner import BenchFailure
from makalu.sw.rtl.survivors import ReviewError
from makalu.sw.rtl.synthesis import FpgaError
from makalu.sw.rtl.waves import WavesError
from tests.rtl.fst import read_fst

TINY = (Path(config_module.__file__).parent / "presets" / "tiny.yaml").read_text()
STARVED = TINY.replace("name: tiny", "name: starved").replace("  banks: 2 ", "  banks: 1 ").replace(" 8192 ", " 1024 ")
"""1 KiB of SBUF a partition."""
SHARED = {"observe": "all", "fast": False}
"""The machine of tests/core, so that it is built once."""
USER_ERRORS = (
    AllocationError,
    CompileError,
    ConfigError,
    FpgaError,
    GoldenError,
    InstructionError,
    KernelError,
    MachineBuildError,
    MachineError,
    MissedError,
    MutantError,
    NotBuiltError,
    NotInNkiError,
    OutputError,
    ProgramError,
    RecordError,
    ReviewError,
    ScheduleError,
    SimError,
    SoakError,
    StoppedError,
    VerifyError,
    WavesError,
)


def call(*arguments):
    return CliRunner().invoke(app, list(arguments))


def refused(*arguments):
    """The one line on stderr of a call that must fail."""
    result = call(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("makalu: "), result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("starved", STARVED, "too few (8 live tiles hold 1024 of 1024 bytes, preset starved)"),
        ("mine", TINY.replace("  tile: 4 ", "  tile: 3 #"), "tensor.tile must be a power of two from 2 to 4, not 3"),
        ("mine", "partitions: [4\nname: x\n", "line 2)"),
        ("mine", TINY + "partitions: 8\n", "key 'partitions' must be given once"),
    ],
)
def test_sim_refuses_a_preset(tmp_path, name, text, message):
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    assert message in refused("sim", "--preset", str(path))


def test_a_preset_with_the_name_of_another_is_told_by_its_file(tmp_path):
    path = tmp_path / "copied.yaml"
    path.write_text(TINY.replace("  tile: 4 ", "  tile: 3 #"))
    assert refused("sim", "--preset", str(path)).endswith(f"not 3 (preset tiny) in {path}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sim", "--preset", "huge"), "preset must be one of"),
        (("sim", "--preset", "nowhere.yaml"), "preset file nowhere.yaml does not exist"),
        (("sim", "--images", "-5"), "--images"),
        (("sim", "--images", "0"), "--images"),
        (("sim", "--simulator", "foo"), "'foo' is not one of 'auto', 'lanes', 'verilator', 'icarus'"),
        (("generate", "--observe", "some"), "'some' is not one of 'none', 'trace', 'all'"),
        (("soak", "--programs", "0"), "--programs"),
        (("soak", "--preset", "huge"), "preset must be one of"),
        (("bench", "--part", "nothing"), "part must be one of"),
        (("sim", "--preset", "tiny", "--waves", "x.vcd"), "waves must go to a file that ends in .fst, not to x.vcd"),
        (("sim", "--simulator", "lanes", "--waves", "x.fst"), "written by verilator and icarus, not by lanes"),
        (("sim", "--from", "3"), "give --waves FILE.fst"),
        (("verify",), "name a block: one of ['arith', "),
        (("verify", "gpu"), "block must be one of ['arith', "),
        (("verify", "gpu", "--list"), "block must be one of ['arith', "),
        (("verify", "psum", "--case", "huge"), "case of psum must be one of ['tiny', "),
        (("verify", "psum", "--simulator", "lanes"), "'lanes' is not one of 'verilator', 'icarus'"),
        (("verify", "arith", "--preset", "tiny"), "case arith-units must have a configuration to take another preset"),
        (("verify", "psum", "--preset", "nowhere.yaml"), "nowhere.yaml does not exist"),
        (("verify", "psum", "--waves", "x.fst"), "--waves must be a folder where several cases run, not x.fst"),
        (("verify", "psum", "--case", "tiny", "--seed", "-1"), "--seed"),
    ],
)
def test_a_wrong_value_is_one_line(arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "verilator"),
        (("--preset", "trn2"), "lanes"),
        (("--preset", "trn2", "--simulator", "auto"), "lanes"),
        (("--preset", "trn2", "--simulator", "verilator"), "verilator"),
        (("--preset", "tiny", "--simulator", "lanes"), "lanes"),
    ],
)
def test_sim_takes_the_simulator_that_is_asked_for_or_suits_the_preset(monkeypatch, arguments, expected):
    def seen(**settings):
        raise SimError(f"on {settings['simulator']}")

    monkeypatch.setattr("makalu.sw.cli.sim.Machine", seen)
    monkeypatch.setattr("makalu.sw.cli.sim.run_golden", lambda *_, **__: {"logits": None})
    assert refused("sim", "--images", "4", *arguments) == f"makalu: on {expected}\n"


def test_waves_want_a_simulator_that_writes_them(monkeypatch):
    """Of a full core, whose simulator is lanes otherwise."""

    def seen(**settings):
        raise SimError(f"{settings['waves']} on {settings['simulator']}")

    monkeypatch.setattr("makalu.sw.cli.sim.Machine", seen)
    assert refused("sim", "--preset", "trn2", "--waves", "x.fst") == "makalu: True on verilator\n"


def test_a_package_without_benches_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("makalu.sw.cli.verify.ROOT", tmp_path)
    assert "benches are in a checkout of the project, not in an installed package" in refused("verify", "--list")


def test_a_simulator_takes_its_own_cases_or_the_first(monkeypatch):
    ran = []
    monkeypatch.setattr("verif.lib.cases.run_case", lambda case, simulator, **_: ran.append(f"{case} {simulator}") or 1)
    for options in (("dma", "--simulator", "icarus"), ("scalar", "--simulator", "icarus"), ("dma", "--preset", "tiny")):
        assert call("verify", *options).exit_code == 0
    assert ran == [
        "dma-tiny-icarus icarus",
        "scalar-tiny icarus",
        "dma-tiny verilator",
        "dma-tiny-axi verilator",
        "dma-walk verilator",
    ]


def test_cases_are_listed():
    result = call("verify", "dma", "--list")
    assert result.exit_code == 0 and re.search(r"(?m)^dma +wide-bus +verilator +\d+ tests +wide-bus$", result.output)
    assert len(call("verify", "--list").output.splitlines()) > 80


@pytest.mark.icarus
def test_a_block_is_verified_on_a_preset_of_ones_own(tmp_path):
    """With its waves and results; a case that fails is named, and is the command's exit code."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(TINY.replace("name: tiny", "name: mine").replace("  mul_stages: 2 ", "  mul_stages: 1 "))
    options = ("--preset", str(mine), "--seed", "5", "--junit", str(tmp_path), "--waves", str(tmp_path))
    result = call("verify", "pe", "--case", "2-1-keep-icarus", *options)
    assert result.exit_code == 0, result.output
    assert re.search(r"pe-2-1-keep-icarus on icarus: \d+ tests passed in ", result.output), result.output
    shown = " ".join(read_fst(tmp_path / "pe-2-1-keep-icarus.fst"))
    assert "dut.product.addend" in shown and "s1_exact" not in shown  # the second of the two stages that tiny has
    assert 'name="random_seed" value="5"' in (tmp_path / "pe-2-1-keep-icarus.xml").read_text()


def test_a_case_that_fails_is_named(monkeypatch):
    def fails(case, **_):
        raise BenchFailure(f"{case}: 1 of 2 tests failed")

    monkeypatch.setattr("verif.lib.cases.run_case", fails)
    result = call("verify", "psum", "--simulator", "verilator")
    assert result.exit_code == 1 and result.stdout.count("1 of 2 tests failed") == 4
    names = "psum-tiny, psum-psum-add-1, psum-psum-add-2, psum-stochastic"
    assert result.stderr == f"makalu: 4 of 4 cases failed: {names}\n"


@pytest.mark.slow
def test_sim_says_on_which_simulator_it_ran(monkeypatch, tmp_path):
    monkeypatch.setattr("makalu.sw.cli.sim.RESULTS", tmp_path)
    monkeypatch.setattr("makalu.sw.cli.sim.Machine", lambda **options: Machine(**options | SHARED))
    result = call("sim", "--preset", "tiny", "--images", "4", "--simulator", "lanes")
    assert result.exit_code == 0 and "tiny on lanes: " in result.output, result.output
    figures = {figure.name: figure.value for figure in read_results(tmp_path / "sim.json")}
    assert figures["simulator"] == "lanes" and figures["logits_mismatched"] == 0 and figures["cycles_per_second"] > 0


def test_sim_says_how_to_get_icarus(monkeypatch):
    monkeypatch.setattr("makalu.sw.cli.sim.have_icarus", lambda: False)
    line = refused("sim", "--preset", "tiny", "--simulator", "icarus")
    assert "apt-get install iverilog" in line and "https://steveicarus.github.io/iverilog" in line


@pytest.mark.parametrize("error", USER_ERRORS, ids=lambda error: error.__name__)
def test_every_error_of_a_user_is_printed(monkeypatch, error):
    def fail(*_):
        raise error("size must be 4, not 5 (here)")

    assert issubclass(error, MakaluError) and issubclass(error, ValueError | RuntimeError | AttributeError)
    monkeypatch.setattr(main, "simulate", fail)
    kind = f"{error.kind}: " if issubclass(error, LanguageError) else ""
    assert refused("sim") == f"makalu: {kind}size must be 4, not 5 (here)\n"


def test_a_defect_keeps_its_traceback(monkeypatch):
    def fail(*_):
        raise KeyError("a defect")

    monkeypatch.setattr(main, "simulate", fail)
    assert isinstance(call("sim").exception, KeyError)


@pytest.mark.parametrize(
    ("out", "reason"), [("file", "File exists"), ("file/below", "Not a directory"), ("/proc/verilog", "No such file")]
)
def test_generate_refuses_a_folder_that_it_cannot_write_to(tmp_path, out, reason):
    """`/proc` takes no folder, not even from root."""
    (tmp_path / "file").touch()
    line = refused("generate", "--preset", "tiny", "-o", str(tmp_path / out))
    assert "output must go to a folder that can be written to, not " in line and out in line and reason in line


def test_generate_writes_verilog_side_file_and_figures(monkeypatch, tmp_path):
    monkeypatch.setattr("makalu.sw.cli.generate.conclude", partial(conclude, folder=tmp_path / "results"))
    result = call("generate", "--preset", "tiny", "-o", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.glob("tiny.*")} == {"tiny.v", "tiny.json"}
    assert "module core(" in (tmp_path / "tiny.v").read_text()
    assert json.loads((tmp_path / "tiny.json").read_text())["digest"] == load_preset("tiny").digest
    figures = {figure.name: figure for figure in read_results(tmp_path / "results" / "generate.json")}
    assert figures["bytes"].value == (tmp_path / "tiny.v").stat().st_size
    assert figures["modules"].value > 10 and all(figure.met is None for figure in figures.values())


def test_a_missed_must_fails_after_the_figures_are_written(tmp_path):
    missed = at_most("mismatched", 3, "values", bar=0, kind="must")
    goal = at_most("cells", 9, "cells", bar=8, kind="goal")
    console = Console(quiet=True)
    conclude("some", load_preset("tiny"), [goal], console, earlier=[missed], folder=tmp_path)  # only goal is judged
    with pytest.raises(MissedError, match="mismatched is 3, must be 0"):
        conclude("some", load_preset("tiny"), [missed], console, earlier=[goal], folder=tmp_path)
    assert read_results(tmp_path / "some.json") == [goal, missed]


def test_the_version_is_stated():
    result = call("--version")
    assert result.exit_code == 0 and re.fullmatch(r"makalu \d+\.\d+\.\d+, commit \S+\n", result.output)


def test_make_takes_a_preset_whose_path_has_spaces():
    command = ["make", "-n", "sim", "verilog", "PRESET=my preset.yaml"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.count('--preset "my preset.yaml" ') == 2


def test_make_takes_a_simulator_or_leaves_it_to_the_preset():
    for variables, expected in (
        ([], "auto"),
        (["SIM=lanes"], "lanes"),
        (["SIM=verilator", "PRESET=trn2"], "verilator"),
    ):
        said = subprocess.run(["make", "-n", "sim", *variables], cwd=ROOT, capture_output=True, text=True, check=True)
        assert f'--simulator "{expected}" ' in said.stdout


def test_presets_are_listed():
    result = call("presets")
    assert result.exit_code == 0 and "trn2-mini    32 x 32 PEs" in result.output


def test_soak_wants_presets_of_different_names(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(TINY)
    assert "presets must have different names" in refused("soak", "--preset", "tiny", "--preset", str(mine))
