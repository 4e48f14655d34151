"""The wheel holds what its commands need and nothing else, and runs where there is no checkout."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from makalu.sw.paths import ROOT
from tests.packaging.environment import FOLDERS, Environment, build_wheel

LEFT_OUT = (ROOT / "examples" / "kernels",)
"""To be read in the checkout; no command needs them."""
KERNEL = """
import nki
import nki.language as nl

@nki.jit
def doubled(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm, name="y")
    nl.store(out, nl.multiply(nl.load(x), 2.0))
    return out
"""
WALK = f"""
import importlib, pkgutil, sys
import makalu
from makalu.spec.preset import load_preset
from makalu.sw.cli.kernels import add_case, copy_case, gemm_case, streamed_gemm_case
from makalu.sw.rtl.fpga import CONSTRAINTS
wanted = [each.name for each in pkgutil.walk_packages(makalu.__path__, "makalu.") if "__main__" not in each.name]
for name in wanted:
    if name not in ("makalu.sw.rtl.runner",):
        importlib.import_module(name)
tiny = load_preset("tiny")
for case in (gemm_case(tiny, 8, 4, 6), streamed_gemm_case(tiny, 8, 4, 6), copy_case(tiny, 4, 9), add_case(tiny, 4, 9)):
    assert case.golden.any()
assert CONSTRAINTS.is_file()
for module in list(sys.modules.values()):
    assert not str(getattr(module, "__file__", "")).startswith({str(ROOT)!r} + "/s"), module
assert not [path for path in sys.path if path in ({str(ROOT)!r}, {str(ROOT / "src")!r})]
print(len(wanted), makalu.__file__)
"""
"""Imports every module, makes the cases of `scaling` and `bench`, and looks for traces of the checkout."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    return Environment(wheel, tmp_path_factory.mktemp("elsewhere"))


def expected():
    """By the rule: every file of the linked folders but texts for readers, and nothing beside them."""
    files = {path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()}
    return {"makalu/__init__.py"} | {
        f"makalu/{path.relative_to(ROOT)}"
        for path in files
        if path.suffix not in (".md", ".pyc") and not any(path.is_relative_to(folder) for folder in LEFT_OUT)
    }


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    of_the_wheel = {name for name in names if Path(name).parts[0].endswith(".dist-info")}
    assert (names - of_the_wheel) ^ expected() == set()
    kinds = {Path(name).suffix for name in names - of_the_wheel}
    assert kinds == {".py", ".yaml", ".html", ".css", ".js", ".v", ".vlt", ".cpp", ".h", ".json"}
    assert any(name.endswith("LICENSE") for name in of_the_wheel)


@pytest.mark.slow
def test_it_generates_and_runs_a_kernel_elsewhere(environment):
    done = environment.call("generate", "--preset", "tiny", "-o", "verilog")
    assert done.returncode == 0, done.stderr
    assert "module core(" in (environment.here / "verilog" / "tiny.v").read_text()
    assert json.loads((environment.here / "build" / "results" / "generate.json").read_text())["command"] == "generate"
    (environment.here / "k.py").write_text(KERNEL)
    done = environment.call("run", "k.py::doubled", "--preset", "tiny", "--arg", "x=4x8:fp32")
    assert done.returncode == 0, done.stderr
    folder = environment.here / "build" / "kernels" / "doubled"
    assert (np.load(folder / "y.npy") == 2 * np.load(folder / "inputs" / "x.npy")).all()


@pytest.mark.slow
def test_every_module_is_the_wheel_s(environment):
    done = environment.call("-c", WALK, program="python")
    assert done.returncode == 0, done.stderr
    count, file = done.stdout.split()
    assert int(count) > 200 and Path(file).is_relative_to(environment.packages)


def test_what_needs_a_checkout_says_so(environment):
    done = environment.call("docs")
    assert done.returncode == 1 and done.stderr.startswith("makalu: the pages of docs are those of a checkout: ")
    assert done.stderr.count("\n") == 1
