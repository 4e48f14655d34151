"""bf16 sums in PSUM: ml_dtypes rounds as golden does, the RTL has golden's bits in the predicted cycles."""

import ml_dtypes
import numpy as np
import pytest

from makalu.spec.formats import BF16, E4M3FN_X4, E5M2, E5M2_X4, FORMATS, FP32
from makalu.spec.isa import Opcode
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, KernelWarning, NotBuiltError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.elements import random_elements, random_scales

MX = "eight-background"
UINT8 = FORMATS["uint8"]
ROWS, COLUMNS, N = 8, 6, 37
"""As many rows and columns of these as a core has."""
TILES = 4
"""That are added up."""


def psum(shape, dtype=BF16):
    return nl.ndarray(shape, dtype, buffer=nl.psum, name="sums")


def stored(tile, name, dtype=None):
    """Through a copy, which casts where `dtype` is another one."""
    copy = nl.ndarray(tile.shape, dtype or tile.dtype, name="copy")
    nisa.tensor_copy(copy, tile)
    out = nl.ndarray(tile.shape, copy.dtype, buffer=nl.shared_hbm, name=name)
    nl.store(out, copy)
    return out


def each_and_all(**sources):
    """Each product as fp32; all of them added in bf16; the last one alone in bf16."""
    outs, added, last = [], None, None
    for n in range(TILES):
        w, x = (nl.load(sources[f"{side}_{n}"]) for side in "wx")
        shape = (w.shape[1], x.shape[1])
        added, last, alone = added or psum(shape), last or psum(shape), psum(shape, FP32)
        nisa.nc_matmul(alone, w, x)
        nisa.nc_matmul(added, w, x)
        nisa.nc_matmul(last, w, x, accumulate=False)
        outs.append(stored(alone, f"alone_{n}"))
    return *outs, stored(added, "added"), stored(last, "last"), stored(added, "wide", FP32)


def inputs_of(preset, form, *, seed, specials):
    config, rng = bench_config(preset), np.random.default_rng(seed)
    rows = min(ROWS, config.partitions)
    sides = {"w": (rows, min(COLUMNS, config.tensor.columns)), "x": (rows, N)}
    return {
        f"{s}_{n}": random_elements(rng, form, shape, specials=specials)
        for s, shape in sides.items()
        for n in range(TILES)
    }


def compiled(kernel, inputs, form_of, preset):
    specs = {name: TensorSpec(bits.shape, form_of(name)) for name, bits in inputs.items()}
    return compile_kernel(kernel, bench_config(preset), **specs)


def given(inputs):
    return {name: Bits(bits) for name, bits in inputs.items()}


def rounded(numbers):
    """By the outside judge, as numbers."""
    with np.errstate(all="ignore"):
        return np.asarray(numbers, np.float32).astype(ml_dtypes.bfloat16).astype(np.float32)


@pytest.mark.parametrize("preset", [MX, "psum-add-1", "trn3"])
@pytest.mark.parametrize("specials", [0.0, 0.03])
def test_each_sum_is_rounded_as_ml_dtypes_does(preset, specials):
    """bf16(fp32(bf16 sum + product)): products come with fp32's roundings alone."""
    inputs = inputs_of(preset, BF16, seed=5, specials=specials)
    program = compiled(each_and_all, inputs, lambda name: BF16, preset)
    got = run_golden(program, given(inputs), config=bench_config(preset))
    sums = np.zeros((), np.float32)
    for n in range(TILES):
        product = got[f"alone_{n}"]
        with np.errstate(all="ignore"):
            sums = rounded(product if n == 0 else product + sums)
    for name, want in (("added", sums), ("wide", sums), ("last", rounded(product))):
        assert np.array_equal(got[name], want, equal_nan=True), name
    finite = np.isfinite(sums)
    assert (sums[finite] != product[finite]).any() and finite.all() == (specials == 0)


def every_mode(**sources):
    """Two MX products, two of double row and two fp32 ones, each pair added in bf16; one element added to again and
    again; what Vector and Scalar make of the sums.
    """
    w, x, w_scale, x_scale = (nl.load(sources[name]) for name in ("w_mx", "x_mx", "w_scale", "x_scale"))
    outs = []
    mx = psum((w.shape[1], x.shape[1]))
    for _ in range(2):
        nisa.nc_matmul_mx(mx, w, x, w_scale, x_scale)
    two = [nl.load(sources[name]) for name in ("w_rows", "x_rows")]
    rows = psum((two[0].shape[2], two[1].shape[2]))
    for _ in range(2):
        nisa.nc_matmul(rows, *two, perf_mode=nisa.matmul_perf_mode.double_row)
    single = [nl.load(sources[name]) for name in ("w_fp32", "x_fp32")]
    passes = psum((single[0].shape[1], single[1].shape[1]))
    for _ in range(2):
        nisa.nc_matmul(passes, *single)
    outs += [stored(mx, "out_mx"), stored(rows, "out_rows"), stored(passes, "out_passes", FP32)]
    total = nl.ndarray(mx.shape, FP32, name="total")
    nisa.tensor_copy(total, mx)
    nisa.tensor_tensor(total, total, rows, op=nl.add)
    outs.append(stored(total, "out_total"))
    half = nl.ndarray(rows.shape, BF16, name="half")
    nisa.activation(half, op=nl.relu, data=rows, scale=0.5)
    outs.append(stored(half, "out_half"))
    return tuple(outs)


FORMS = {"w_mx": E5M2_X4, "x_mx": E4M3FN_X4, "w_scale": UINT8, "x_scale": UINT8, "w_rows": E5M2, "x_rows": E5M2}
FORMS |= {"w_fp32": FP32, "x_fp32": FP32}


def inputs_of_every_mode(seed):
    rng, groups = np.random.default_rng(seed), ROWS // GROUP_PARTITIONS
    out = {}
    for side, columns in (("w", COLUMNS), ("x", N)):
        shapes = {"mx": (ROWS, columns), "rows": (ROWS, 2, columns), "fp32": (ROWS, columns)}
        for kind, shape in shapes.items():
            out[f"{side}_{kind}"] = random_elements(rng, FORMS[f"{side}_{kind}"], shape, specials=0.0)
        out[f"{side}_scale"] = random_scales(rng, (groups, columns))
    return out


@pytest.mark.slow
def test_every_mode_on_the_rtl():
    inputs = inputs_of_every_mode(7)
    program = compiled(every_mode, inputs, FORMS.__getitem__, MX)
    matmuls = [i for stream in program.executed().values() for i in stream if i.opcode == Opcode.MATMUL]
    into = [i for i in matmuls if i["dst_dtype"] == BF16.code]
    assert len({i["mode"] for i in into}) == 3 and any(i["accumulate"] for i in into)
    check(Case(MX, program, given(inputs)), memory_of("tiny", 20))


def test_a_zeroed_tile_is_added_to():
    """Zeros of a bf16 tile in PSUM, and a value, are what the first matmul adds to."""

    def kernel(w, x):
        tiles = [nl.load(source) for source in (w, x)]
        outs = []
        for name, value in (("zero", 0.0), ("one", 1.0)):
            sums = psum((w.shape[1], x.shape[1]))
            nisa.memset(sums, value)
            nisa.nc_matmul(sums, *tiles, accumulate=True)
            outs.append(stored(sums, name))
        return tuple(outs)

    inputs = {"w": np.full((4, 3), 0x3F80, np.uint16), "x": np.full((4, 5), 0x4000, np.uint16)}  # 1 and 2
    for preset in (MX, "psum-add-1"):
        with pytest.warns(KernelWarning, match="which no matmul wrote"):
            program = compiled(kernel, inputs, lambda name: BF16, preset)
        got = run_golden(program, given(inputs), config=bench_config(preset))
        assert (got["zero"] == 8).all() and (got["one"] == 9).all()


def refused(w, x):
    sums = psum((w.shape[1], x.shape[1]))
    nisa.nc_matmul(sums, nl.load(w), nl.load(x))


@pytest.mark.parametrize("preset", ["trn1", "trn2", "tiny"])
def test_a_core_without_them_refuses(preset):
    text = f"a matmul into bf16, dst .*; PSUM of preset {preset} sums in fp32 .core, matmul dst"
    line = refused.__code__.co_firstlineno + 2
    with pytest.raises(NotBuiltError, match=rf"{text}.*test_bf16_sums.py:{line}\b"):
        compile_kernel(refused, bench_config(preset), *[TensorSpec((4, 4), BF16)] * 2)


def test_a_transpose_is_no_sum():
    """Of fp32 into bf16 it is refused, where a matmul would round."""

    def kernel(x):
        nisa.nc_transpose(psum((x.shape[1], x.shape[0])), nl.load(x))

    with pytest.raises(KernelError, match="the types must be equal"):
        compile_kernel(kernel, bench_config(MX), TensorSpec((4, 4), FP32))
