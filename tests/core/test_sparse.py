"""Sparse matmuls through the whole core: every pair of types against an account of its own, and the example."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from makalu.examples.sparse import __main__ as sparse_main
from makalu.examples.sparse.sparse import sparse_gemm
from makalu.sim_models.golden.bounds import matmul_bound
from makalu.sim_models.golden.formats import widen
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.spec.sparsity import SPARSE
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import mixable
from makalu.sw.cli.kernels import sparse_gemm_case
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.report.record import RunRecord
from makalu.sw.report.rows import rows_of
from makalu.sw.rtl.energy.movement import moved_by
from makalu.sw.run import run_golden
from makalu.sw.sparse import PATTERNS, layout, pack, prune
from makalu.sw.timing import predict
from verif.tensor.elements import random_elements

JUDGES = {
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3": ml_dtypes.float8_e4m3,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
}
"""What reads an element's bits here; golden has its own (`formats`)."""
PAIRS = [(a, b) for a, b in itertools.product(SPARSE, SPARSE) if mixable(a, b)]
M, N = 12, 19


def product(w, tags, x, *, name="out"):
    tiles = []
    for source in (w, x, tags):
        tiles.append(nl.ndarray(source.shape, source.dtype, name="tile"))
        nisa.dma_copy(tiles[-1], source)
    sums = nl.ndarray((w.shape[1], x.shape[2]), FP32, buffer=nl.psum, name="sums")
    nisa.nc_matmul_sparse(sums, *tiles)
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name=name)
    nl.store(out, sums)
    return out


def there(config):
    return [(a, b) for a, b in PAIRS if {a, b} <= set(config.tensor.operands)]


def inputs_of(config, rng, k, ratio, specials, m=M):
    forms = {form for pair in there(config) for form in pair}
    out = {f"w_{form.name}": random_elements(rng, form, (k, m), specials=specials) for form in forms}
    out |= {f"x_{form.name}": random_elements(rng, form, (k, ratio, N), specials=specials) for form in forms}
    tags = 4 * rng.integers(0, 4, (k, m)) + rng.integers(0, ratio, (k, m))
    return out | {"tags": (tags.reshape(k, -1, 4) << 4 * np.arange(4)).sum(axis=2).astype(np.uint16)}, tags


def every_pair(pairs):
    def kernel(tags, **sources):
        return tuple(
            product(sources[f"w_{a.name}"], tags, sources[f"x_{b.name}"], name=f"out_{n}")
            for n, (a, b) in enumerate(pairs)
        )

    return kernel


def compiled(kernel, inputs, config):
    forms = {n: FORMATS["uint16"] if n.startswith("tags") else FORMATS[n.split("_", 1)[1]] for n in inputs}
    return compile_kernel(kernel, config, **{n: TensorSpec(bits.shape, forms[n]) for n, bits in inputs.items()})


def reference(w, x, tags):
    """One rounding a row: 64 bits hold a product of 22 and the sum of one and a float32 that are 40 places apart or
    less; farther apart the sum is no tie, and rounds to the same.
    """
    out = np.zeros((w.shape[1], x.shape[2]), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for k, m in np.ndindex(*tags.shape):
            chosen = x[4 * (k // 4) + tags[k, m] // 4, tags[k, m] % 4]
            addend, before = np.longdouble(w[k, m]) * chosen.astype(np.longdouble), out[m].astype(np.longdouble)
            out[m] = (addend + before).astype(np.float32)
    return out


@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
@pytest.mark.parametrize(("preset", "specials"), [("trn2-mini", 0.0), ("trn2-mini", 0.05), ("trn3-mini", 0.0)])
def test_every_pair_of_types_on_golden(preset, specials, ratio):
    config, rng = load_preset(preset), np.random.default_rng(ratio)
    inputs, tags = inputs_of(config, rng, 12, ratio, specials)
    program = compiled(every_pair(there(config)), inputs, config)
    got = run_golden(program, {name: Bits(bits) for name, bits in inputs.items()}, config=config)
    for n, (a, b) in enumerate(there(config)):
        with np.errstate(invalid="ignore"):
            w, x = (inputs[f"{s}_{f.name}"].view(JUDGES[f.name]).astype(np.float64) for s, f in (("w", a), ("x", b)))
        assert np.array_equal(got[f"out_{n}"], reference(w, x, tags), equal_nan=True), (a.name, b.name)


def test_the_judges_read_what_golden_reads():
    for form in SPARSE:
        bits = np.arange(1 << form.bits).astype(f"<u{form.bytes}")
        with np.errstate(invalid="ignore"):
            mine, theirs = widen(form, bits).view(np.float32), bits.view(JUDGES[form.name]).astype(np.float32)
        assert np.array_equal(mine, theirs, equal_nan=True), form.name


@pytest.mark.parametrize("preset", ["trn2-mini", "trn3", "trn2"])
def test_the_example_has_the_full_product(preset, capsys):
    assert sparse_main.main(preset)
    assert capsys.readouterr().out.count("3,840 of 3,840 values are numpy's") == len(PATTERNS)


def test_a_wrong_value_of_the_example_is_seen(monkeypatch):
    right = sparse_main.run_golden

    def wrong(*arguments, **options):
        values = right(*arguments, **options)["c"].copy()
        values[0, 0] = np.nextafter(values[0, 0], np.float32(np.inf))
        return {"c": values}

    monkeypatch.setattr(sparse_main, "run_golden", wrong)
    assert not sparse_main.main()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", ["bf16", "fp16", "e4m3"])
def test_the_example_is_near_the_product_in_doubles(pattern, name):
    """Two blocks of rows, two of columns, on numbers of any fraction."""
    config, row = load_preset("trn2-mini"), PATTERNS[pattern]
    k, m, n = 48 * row.ratio, 40, 56
    rng = np.random.default_rng(k)
    weights, b = (rng.standard_normal((k, width)).astype(JUDGES[name]) for width in (m, n))
    weights = prune(weights, pattern)
    a, tags = pack(weights, pattern)
    form = FORMATS[name]
    specs = {"a": TensorSpec(a.shape, form), "tags": TensorSpec(tags.shape, nl.uint16), "b": TensorSpec(b.shape, form)}
    program = compile_kernel(sparse_gemm, config, **specs)
    got = run_golden(program, {"a": a, "tags": tags, "b": b}, config=config)["c"]
    full = weights.astype(np.float64), b.astype(np.float64)
    bound = matmul_bound(form, form, products=1, rows=config.tensor.rows, tiles=2) * (
        np.abs(full[0]).T @ np.abs(full[1])
    )
    assert (np.abs(got - full[0].T @ full[1]) <= bound).all() and layout(b, pattern).shape == (48, row.ratio, n)


def test_the_benches_case_runs():
    config = load_preset("trn2-mini")
    case = sparse_gemm_case(config, 64, 32, 64)
    steps = [i for stream in case.program.executed().values() for i in stream]
    assert sum(i.opcode == Opcode.LOAD_SPARSE for i in steps) == 2
    assert all(i["mode"] == Mode.SPARSE and i["src0_size3"] == 4 for i in steps if i.opcode == Opcode.MATMUL)
    assert case.golden.shape == (32, 64) and np.isfinite(case.golden).all()


def test_what_a_report_counts_are_the_weights():
    """Not the rows that they are chosen from."""
    config = load_preset("trn2-mini")
    program = sparse_gemm_case(config, 64, 32, 40).program
    record = RunRecord(config=config, program=program, timeline=predict(program, config), simulated_by="", kernel="")
    counted = {row.size: row.macs for row in rows_of(record) if row.macs}
    assert counted == {"32 x 32 x 40": 32 * 32 * 40}
    assert moved_by(program).macs == 64 * 32 * 40
