"""A kernel file with a sparse matmul, as a user runs it: its values, and a tag that is out of range."""

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

from makalu.sim_models.golden.result import IllegalInstruction
from makalu.sw.cli.main import app
from makalu.sw.kernel.simulate import simulate
from makalu.sw.sparse import layout, pack, prune

KERNEL = """
import nki
import nki.isa as nisa
import nki.language as nl

@nki.jit
def sparse(a, tags, b):
    sums = nl.ndarray((a.shape[1], b.shape[2]), dtype=nl.float32, buffer=nl.psum)
    kept, its, moving = nl.load(a), nl.load(tags), nl.load(b)
    nisa.nc_matmul_sparse(sums, kept, moving, its)
    out = nl.ndarray(sums.shape, dtype=nl.float32, buffer=nl.shared_hbm, name="out")
    nl.store(out, sums)
    return out
"""
LINE = 10


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "k.py"
    path.write_text(KERNEL)
    return path


def arrays(seed=1):
    rng = np.random.default_rng(seed)
    weights = prune(rng.integers(-8, 9, (32, 12)).astype(ml_dtypes.bfloat16), "2:8")
    moving = rng.integers(-8, 9, (32, 24)).astype(ml_dtypes.bfloat16)
    return (*pack(weights, "2:8"), layout(moving, "2:8")), weights.T.astype(np.float64) @ moving.astype(np.float64)


def test_the_values_are_those_of_the_full_product(kernel):
    given, full = arrays()
    assert (simulate(f"{kernel}::sparse", preset="trn2-mini")(*given) == full).all()


def run(kernel, tmp_path, given):
    named = dict(zip(("a", "tags", "b"), given, strict=True))
    for name, array in named.items():
        np.save(tmp_path / f"{name}.npy", array.view(np.uint16) if name == "tags" else array.astype(np.float32))
    arguments = [f"--arg={name}={tmp_path / name}.npy:{'uint16' if name == 'tags' else 'bf16'}" for name in named]
    command = ["run", f"{kernel}::sparse", "--preset", "trn2-mini", "--out", str(tmp_path / "o"), *arguments]
    return CliRunner().invoke(app, command)


def test_a_run_of_the_command(kernel, tmp_path):
    given, full = arrays()
    done = run(kernel, tmp_path, given)
    assert done.exit_code == 0, done.output
    assert (np.load(tmp_path / "o" / "out.npy") == full).all()


def test_a_tag_that_is_out_of_range_names_the_line(kernel, tmp_path):
    (a, tags, b), _ = arrays()
    tags = tags.copy()
    b = b[:, :3]
    with pytest.raises(
        IllegalInstruction, match=rf"TAG: load_sparse: src1 has in partition .*element 3 .*k\.py:{LINE}\)"
    ):
        simulate(f"{kernel}::sparse", preset="trn2-mini")(a, tags, b)
    done = run(kernel, tmp_path, (a, tags, b))
    said = str(done.exception) + done.output
    assert done.exit_code != 0 and "TAG: load_sparse: src1 has in partition" in said and f"k.py:{LINE}" in said
