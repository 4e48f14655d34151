"""`makalu run`, `disassemble` and `kernels` as a user calls them."""

import json
import re

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

from makalu.sw.cli.main import app

KERNEL = """
import nki
import nki.language as nl

@nki.jit
def scaled(x, scale, pair=(1, 2), name="a"):
    assert isinstance(pair, tuple) and isinstance(name, str)
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm, name="y")
    nl.store(out, nl.multiply(nl.load(x), scale))
    return out
"""


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "k.py"
    path.write_text(KERNEL)
    return f"{path}::scaled"


def call(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


def run(kernel, out, *args, backend="golden"):
    return call("run", kernel, "--preset", "tiny", "--backend", backend, "--out", out, *args)


def test_a_run_writes_outputs_numbers_program_timeline_and_report(kernel, tmp_path):
    done = run(kernel, tmp_path / "o", "--arg", "x=4x8:bf16", "--arg", "scale=2.0", "--seed", "3")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "o").iterdir()}
    files = {"y.npy", "result.json", "program.makalu", "timeline.perfetto-trace", "report.html"}
    assert names == files | {"inputs"}
    assert all(name in done.output.replace("\n", "") for name in files)
    record = json.loads((tmp_path / "o" / "result.json").read_text())
    assert record["kernel"] == "scaled" and record["cycles"] > 0 and record["seed"] == 3
    assert record["outputs"]["y"] == {"shape": [4, 8], "dtype": "bf16", "changed_input": False, "file": "y.npy"}
    assert record["report"]["cycles"] == record["cycles"]
    x = np.random.default_rng([3, *b"x"]).standard_normal((4, 8), np.float32).astype(ml_dtypes.bfloat16)
    assert (np.load(tmp_path / "o" / "y.npy") == 2 * x.astype(np.float32)).all()


def test_arrays_from_files_and_values_of_python(kernel, tmp_path):
    x = np.arange(32, dtype=np.float64).reshape(4, 8)
    np.save(tmp_path / "x.npy", x)
    done = run(
        kernel,
        tmp_path / "o",
        "--arg",
        f"x={tmp_path}/x.npy",
        "--arg",
        "scale=-1",
        "--arg",
        "pair=(3, 4)",
        "--arg",
        "name='b'",
    )
    assert done.exit_code == 0, done.output
    assert (np.load(tmp_path / "o" / "y.npy") == -x).all()
    assert run(kernel, tmp_path / "o", "--arg", f"x={tmp_path}/x.npy:bf16", "--arg", "scale=1").exit_code == 0
    assert json.loads((tmp_path / "o" / "result.json").read_text())["outputs"]["y"]["dtype"] == "bf16"


def test_a_program_s_file_runs_and_is_printed(kernel, tmp_path):
    assert run(kernel, tmp_path / "o", "--arg", "x=4x8:fp32", "--arg", "scale=2.0").exit_code == 0
    program = tmp_path / "o" / "program.makalu"
    again = call("run", program, "--arg", "x=4x8:fp32", "--out", tmp_path / "p")
    assert again.exit_code == 0, again.output
    assert (np.load(tmp_path / "p" / "y.npy") == np.load(tmp_path / "o" / "y.npy")).all()
    text = call("disassemble", program).output
    assert "scaled for tiny" in text and "tensor_scalar" in text and "nl.multiply" in text and "nl.load" in text
    other = call("run", program, "--preset", "small", "--arg", "x=4x8:fp32", "--out", tmp_path / "q")
    assert other.exit_code == 1 and "compiled for preset tiny, not for small" in other.output


def test_timing_has_cycles_and_no_values(kernel, tmp_path):
    done = run(kernel, tmp_path / "o", "--arg", "x=4x8:fp32", "--arg", "scale=2.0", backend="timing")
    assert done.exit_code == 0 and not (tmp_path / "o" / "y.npy").exists()
    assert json.loads((tmp_path / "o" / "result.json").read_text())["cycles_are"] == "the timing model's"


def test_the_rtl_is_compared_with_golden_and_the_timing_model(kernel, tmp_path):
    done = run(kernel, tmp_path / "o", "--arg", "x=4x8:fp32", "--arg", "scale=2.0", backend="rtl")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "o" / "result.json").read_text())
    assert record["rtl"]["bytes_differing"] == 0 and record["rtl"]["bytes_compared_with_golden"] > 1000
    assert record["rtl"]["difference"] == 0 and record["rtl"]["events"] > 8 and record["cycles_are"] == "the RTL's"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["x"], "--arg 'x' is none of NAME=128x512:bf16"),
        (["1x=4"], "--arg '1x=4' is none of"),
        (["x=4x8:fp32", "x=4x8:fp32"], "--arg x is given twice"),
        (["x=4x8:bool_"], "--arg 'x=4x8:bool_': x: elements of nl.bool_"),
        (["x=4x8:decimal"], "illegal: --arg 'x=4x8:decimal'"),
        (["x=4x0:fp32"], "every size must be at least 1"),
        (["x=hello"], "--arg x=hello is none of"),
        (["x={[1]: 2}"], "--arg x={[1]: 2} is none of"),
        ([f"x={'[' * 5000}"], "is none of"),
        (["x=nowhere.npy"], "--arg x: nowhere.npy cannot be read: No such file or directory"),
        (["x=4x8:fp32", "scal=2.0"], "illegal: scaled has no argument 'scal'; it is scaled(x, scale, "),
        (["x=4x8:fp32"], "missing a required argument: 'scale'"),
    ],
)
def test_arguments_that_do_not_parse(kernel, tmp_path, args, text):
    done = run(kernel, tmp_path / "o", *(word for arg in args for word in ("--arg", arg)))
    assert done.exit_code == 1 and text in done.output.replace("\n", ""), done.output
    assert not (tmp_path / "o").exists()


def npy(**header):
    """The head of a file of an array, and 16 bytes of it."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (4,), **header}).encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello", "is no .npy file"),
        (b"", "is no .npy file"),
        (b"PK\x03\x04 no zip", "is no .npy file"),
        (b"\x93NUMPY\x01\x00", "is no .npy file"),
        (npy(shape=(5,)), "is no .npy file"),
        (npy(shape="x"), "is no .npy file"),
        (npy(descr="|O"), "is no .npy file"),
        (npy(descr="nonsense"), "is no .npy file"),
        (npy(shape=(-4,)), "is no .npy file"),
        (npy(shape=(1 << 62,)), "(is no .npy file|has not the memory for)"),
    ],
)
def test_a_file_that_is_no_array(kernel, tmp_path, content, words):
    (tmp_path / "x.npy").write_bytes(content)
    done = run(kernel, tmp_path / "o", "--arg", f"x={tmp_path}/x.npy", "--arg", "scale=1")
    assert done.exit_code == 1 and re.search(words, done.stderr) and done.stderr.count("\n") == 1, done.output


@pytest.mark.parametrize("name", ["folder.npy", f"{'n' * 300}.npy", "loop.npy"])
def test_a_file_of_an_array_that_cannot_be_read(kernel, tmp_path, name):
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    done = run(kernel, tmp_path / "o", "--arg", f"x={tmp_path}/{name}", "--arg", "scale=1")
    assert done.exit_code == 1 and " cannot be read: " in done.stderr and done.stderr.count("\n") == 1, done.output
    done = call("disassemble", tmp_path / name)
    assert done.exit_code == 1 and " cannot be read: " in done.stderr and done.stderr.count("\n") == 1, done.output


def test_kernels_needs_a_clone(tmp_path):
    done = call("kernels")
    assert done.exit_code != 0 and "give the folder of at least one clone" in done.output
    assert "must be the folder of a clone" in call("kernels", "--sdk", tmp_path / "none", "--backend", "golden").output
    assert "has no nki/examples" in call("kernels", "--sdk", tmp_path, "--backend", "golden").output.replace("\n", "")


def test_stochastic_rounding_is_switched_on_by_option_or_by_the_runtimes_variables(kernel, tmp_path, monkeypatch):
    def rounded(name, *args):
        done = call("run", kernel, "--preset", "trn1-mini", "--out", tmp_path / name, *args, *given)
        assert done.exit_code == 0, done.output
        return np.load(tmp_path / name / "y.npy").view(np.uint16)

    given = ("--arg", "x=32x64:bf16", "--arg", "scale=0.3")
    plain, one = rounded("a"), rounded("b", "--stochastic-rounding", "--rounding-seed", "3")
    assert (plain != one).any() and (np.abs(plain.astype(int) - one.astype(int)) <= 1).all()
    assert (rounded("c", "--stochastic-rounding", "--rounding-seed", "4") != one).any()
    monkeypatch.setenv("NEURON_RT_STOCHASTIC_ROUNDING_EN", "1")
    monkeypatch.setenv("NEURON_RT_STOCHASTIC_ROUNDING_SEED", "3")
    assert np.array_equal(rounded("d"), one)
    refused = run(kernel, tmp_path / "e", "--arg", "x=4x8:bf16", "--arg", "scale=0.3")
    assert refused.exit_code and "preset tiny has no stochastic rounding" in refused.output
