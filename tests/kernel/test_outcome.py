"""The folder that `makalu run` leaves: files by any name, nothing of an earlier run, the inputs too."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from makalu.examples.kernels import FOLDER
from makalu.sw.cli.main import app
from makalu.sw.kernel.simulate import simulate

NAMED = """
import nki, nki.language as nl

@nki.jit
def named(x, name="out"):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name=name)
    nl.store(out, nl.load(x))
    return out
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Calls `makalu run` of the kernel above in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named.py").write_text(NAMED)

    def call(*arguments, status=0):
        fixed = ("run", "named.py::named", "--preset", "tiny", "--out", "done", "--arg", "x=4x8:bf16")
        result = CliRunner().invoke(app, [*fixed, *arguments])
        assert result.exit_code == status, result.output
        return result.stderr

    return call


@pytest.mark.parametrize(("name", "file"), [("out", "out.npy"), ("../a/b c", "_a_b_c.npy")])
def test_inputs_and_outputs_are_files(run, tmp_path, name, file):
    run("--arg", f"name={name!r}")
    got, given = np.load(tmp_path / "done" / file), np.load(tmp_path / "done/inputs/x.npy")
    assert got.shape == (4, 8) and (got == given).all()
    assert json.loads((tmp_path / "done/result.json").read_text())["outputs"][name]["file"] == file


def test_outputs_of_an_earlier_run_are_removed(run, tmp_path):
    (tmp_path / "done").mkdir()
    (tmp_path / "done/mine.npy").write_text("stays")
    run("--arg", "name='first'")
    run("--arg", "name='second'")
    assert {path.name for path in (tmp_path / "done").glob("*.npy")} == {"second.npy", "mine.npy"}
    assert (tmp_path / "done/inputs/x.npy").is_file()
    result = json.loads((tmp_path / "done/result.json").read_text())
    result["inputs"]["y"] = {"file": "inputs/y.npy"}
    (tmp_path / "done/result.json").write_text(json.dumps(result))
    (tmp_path / "done/inputs/y.npy").write_text("an input of another kernel")
    run("--backend", "timing")
    assert {path.name for path in (tmp_path / "done/inputs").iterdir()} == {"x.npy"}
    assert {path.name for path in (tmp_path / "done").glob("*.npy")} == {"mine.npy"}


def test_a_file_in_place_of_the_folder_is_one_line(run, tmp_path):
    (tmp_path / "done").write_text("a file")
    assert run(status=1) == "makalu: output must go to a folder that can be written to, not done: File exists\n"


def test_a_kernel_of_a_file_is_called_from_python():
    x = np.ones((4, 8), np.float32)
    assert (simulate(f"{FOLDER / 'add.py'}::add", preset="tiny")(x, b=x) == 2).all()
