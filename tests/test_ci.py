"""The workflow and the page about it name what exists, and what they promise is left behind."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from makalu.sw.cli.main import app
from makalu.sw.rtl.simulators import environment
from verif.lib.cases import blocks, cases

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github/workflows/ci.yml"
PAGE = (ROOT / "docs/ci.md").read_text()
PINNED = re.compile(r"actions/[\w-]+@v\d+\.\d+\.\d+")


def job():
    """The one job; a step that uses an action is under the action's name."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert set(workflow[True]) == {"push", "pull_request"}  # `on` is a truth value of YAML 1.1
    (only,) = workflow["jobs"].values()
    return only, {step.get("uses", step.get("run")).split("@")[0]: step for step in only["steps"]}


def test_the_workflow_calls_the_projects_check():
    only, steps = job()
    assert os.access(ROOT / ".ci/run", os.X_OK) and ".ci/run" in steps
    assert all(PINNED.fullmatch(step["uses"]) for step in only["steps"] if "uses" in step)
    assert only["env"]["PYTHON"] == "python${{ matrix.python }}"


def test_the_oldest_python_of_the_workflow_is_the_projects():
    only, _ = job()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = only["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == project["requires-python"] and all(isinstance(v, str) for v in versions)
    assert all(f"`python:{version}-bookworm`" in PAGE for version in versions)


def test_the_kept_folder_is_the_compilers_cache(monkeypatch):
    _, steps = job()
    monkeypatch.delenv("CCACHE_DIR", raising=False)
    monkeypatch.delenv("MAKALU_BUILD", raising=False)
    assert Path(environment()["CCACHE_DIR"]).parts[-2:] == Path(steps["actions/cache"]["with"]["path"]).parts


def test_the_check_leaves_its_results_where_the_workflow_looks(tmp_path):
    """The script itself, with `make` and what it would install replaced by what shows its arguments."""
    _, steps = job()
    junit, pattern = steps["actions/upload-artifact"]["with"]["path"].rsplit("/", 1)
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci/run"
    script.write_bytes((ROOT / ".ci/run").read_bytes())
    for name in ("make", "iverilog", "chromium"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$0 $MAKALU_JUNIT $*"\n')
        (tmp_path / name).chmod(0o755)
    for name, text in (("apt-get", "exit 0"), ("sudo", 'exec "$@"')):  # the cell library may be missing here
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        ["bash", script], env={"PATH": path, "ARGS": "-x"}, capture_output=True, text=True, check=True
    ).stdout
    assert said == f"{tmp_path}/make {junit} test ARGS=--junitxml={junit}/pytest.xml -x\n" and pattern == "*.xml"
    made = subprocess.run(["make", "-n", "test", "ARGS=--junitxml=x.xml"], cwd=ROOT, capture_output=True, text=True)
    assert re.search(r"(?m)-m pytest .*--junitxml=x.xml$", made.stdout)


def commands():
    fenced = re.findall(r"(?ms)^```(?:yaml)?\n(.*?)^```$", PAGE)
    lines = [line.removeprefix("      - run: .venv/bin/") for text in fenced for line in text.splitlines()]
    return [line for line in lines if line.startswith("makalu verify")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_page_runs(line, monkeypatch, tmp_path):
    """Each runs the cases that it says it does; that cases run is tests/test_block_bench.py's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAKALU_JUNIT", raising=False)  # .ci/run has it
    (tmp_path / "mine.yaml").write_text((ROOT / "spec/presets/tiny.yaml").read_text())
    ran = []
    monkeypatch.setattr("verif.lib.cases.run_case", lambda case, **options: ran.append((case, options)) or case.tests)
    _, *arguments = shlex.split(line)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert bool(ran) != ("--list" in line)
    for case, options in ran:
        assert ("--preset" in line) == (case.config == str(tmp_path / "mine.yaml"))
        assert ("--seed" in line) == (case.seed == 7) and ("--waves" in line) == (options["waves"] is not None)
        assert ("--junit" in line) == (options["junit"] == tmp_path / "build/junit")


def test_the_page_says_which_blocks_take_a_preset():
    (taking,) = re.findall(r"The blocks ([\w, ]+) take a preset", PAGE)
    (without,) = re.findall(r"(?m)^([\w, ]+) have none to take", PAGE)
    named = [set(re.split(r", | and ", text)) for text in (taking, without)]
    takes = {block for block in blocks() if next(iter(cases(block).values())).config is not None}
    assert named == [takes, set(blocks()) - takes]
