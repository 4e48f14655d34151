"""A whole core where every path is odd: Verilator calls itself for each block, and lanes runs several cores."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command",
    [
        ("sim", "--preset", "tiny", "--simulator", "verilator", "--images", "8"),
        ("soak", "--preset", "tiny", "--programs", "3"),
    ],
    ids=["sim", "soak"],
)
def test_a_core_runs(tmp_path, command):
    odd = tmp_path / "it's #1 (a $HOME)"
    for name in ("tmp", "build"):
        (odd / name).mkdir(parents=True)
    wanted = {"MAKALU_BUILD": str(odd / "build"), "TMPDIR": str(odd / "tmp")}
    arguments = [sys.executable, "-m", "makalu.sw.cli.entry", *command]
    done = subprocess.run(arguments, env={**os.environ, **wanted}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any((odd / "build" / "machines").glob("tiny-*/machine"))
