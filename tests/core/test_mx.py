"""MX through the whole core: golden's bits on the RTL, cycles as the timing model has them, and what is refused."""

import functools
import itertools

import numpy as np
import pytest

from makalu.sim_models.golden.quads import quad_column_chain, quad_operand
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import E2M1_X4, E4M3FN_X4, E5M2_X4, FORMATS, FP32
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.quads import QUADS
from makalu.spec.scales import GROUP_PARTITIONS, quadrant
from makalu.spec.tensor_modes import Mode
from makalu.sw.cli.kernels import mx_gemm_case
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, NotBuiltError
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from tests.core.bad_input import SettlingMachine, Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.machines import quick_machine
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.elements import random_elements, random_scales

SMALL, MINI = "eight-background", "trn3-mini"
UINT8 = FORMATS["uint8"]
PAIRS = list(itertools.product(QUADS, QUADS))
M, N = 6, 37
SLOT_FIELDS = [name.removeprefix("src1_") for name in FIELDS if name.startswith("src1_")]


def product(w, x, w_scale, x_scale, *, name="out", above=(0, 0), offset=0, rows=None, **hints):
    """Scales [K / 8, columns] go to `above` their quadrant's first partition, `offset` bytes into the tile's rows."""
    whole = quadrant(bench_config(SMALL) if w.shape[0] == 8 else bench_config(MINI))
    tiles, scales = [], []
    for source, scale, place in zip((w, x), (w_scale, x_scale), above, strict=True):
        tiles.append(nl.ndarray(source.shape, source.dtype, name="tile"))
        nisa.dma_copy(tiles[-1], source)
        columns, groups = scale.shape[1], whole // GROUP_PARTITIONS
        tile = nl.ndarray((w.shape[0], columns + offset), UINT8, name="scales")
        for quarter in range(w.shape[0] // whole):
            first = quarter * whole + place
            nisa.dma_copy(tile[first : first + groups, offset:], scale[quarter * groups : (quarter + 1) * groups])
        scales.append(tile[place : place + (rows or w.shape[0] - whole + groups), offset:])
    sums = nl.ndarray((w.shape[-1], x.shape[-1]), FP32, buffer=nl.psum, name="sums")
    nisa.nc_matmul_mx(sums, *tiles, *scales, **hints)
    out = nl.ndarray(sums.shape, FP32, buffer=nl.shared_hbm, name=name)
    nl.store(out, sums)
    return out


def every_pair(**sources):
    """Scales in other places and at other offsets, from pair to pair."""
    return tuple(
        product(
            *(sources[f"{side}_{form.name}"] for side, form in (("w", a), ("x", b))),
            *(sources[f"{side}_scale"] for side in "wx"),
            name=f"out_{n}",
            above=(4 * (n % 2), 4 * (n // 2 % 2)),
            offset=5 * (n % 3),
        )
        for n, (a, b) in enumerate(PAIRS)
    )


def inputs_of(seed, k, specials):
    rng = np.random.default_rng(seed)
    sides = {"w": (k, M), "x": (k, N)}
    out = {
        f"{s}_{f.name}": random_elements(rng, f, shape, specials=specials) for s, shape in sides.items() for f in QUADS
    }
    return out | {f"{s}_scale": random_scales(rng, (k // GROUP_PARTITIONS, n)) for s, (_, n) in sides.items()}


def compiled(kernel, inputs, preset=SMALL):
    forms = {form.name: form for form in QUADS} | {"scale": UINT8}
    specs = {name: TensorSpec(bits.shape, forms[name.split("_", 1)[1]]) for name, bits in inputs.items()}
    return compile_kernel(kernel, bench_config(preset), **specs)


def given(inputs):
    return {name: Bits(bits) for name, bits in inputs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("specials", [0.0, 0.2])
def test_every_pair_on_the_rtl(specials):
    inputs = inputs_of(1, 8, specials)
    check(Case(SMALL, compiled(every_pair, inputs), given(inputs)), memory_of("tiny", 20))


@pytest.mark.parametrize(("preset", "k"), [(SMALL, 8), (MINI, 32), ("trn3", 128)])
def test_golden_reads_each_scale_where_it_lies(preset, k):
    inputs = inputs_of(3, k, 0.0)
    got = run_golden(compiled(every_pair, inputs, preset), given(inputs), config=bench_config(preset))
    for n, (a, b) in enumerate(PAIRS):
        sides = [
            quad_operand(form, inputs[f"{s}_{form.name}"], np.repeat(inputs[f"{s}_scale"], GROUP_PARTITIONS, axis=0))
            for s, form in (("w", a), ("x", b))
        ]
        want = quad_column_chain(*sides).view(np.float32)
        assert np.array_equal(got[f"out_{n}"], want, equal_nan=True), (a.name, b.name)


def test_the_example_is_near_its_product_in_doubles():
    """Two blocks of rows, two of columns; the bound is that of tests/models/test_quads.py, and a rounding in PSUM."""
    k, m, n = 64, 12, 30
    case = mx_gemm_case(bench_config(SMALL), k, m, n, dtype=E4M3FN_X4)
    sides = []
    for name in "ab":
        scales = np.repeat(case.inputs[f"{name}_scale"].array, GROUP_PARTITIONS, axis=0)
        side = quad_operand(E4M3FN_X4, case.inputs[name].array, scales)
        sides.append((side.elements.value * side.scale).reshape(k, -1))
    bound = (3 * 2.0**-17 + (k / 4 + 1) * 2.0**-24 * (1 + 2.0**-10)) * (np.abs(sides[0]).T @ np.abs(sides[1]))
    assert (np.abs(case.golden - sides[0].T @ sides[1]) <= bound).all() and case.golden.any()


def one(form=E5M2_X4, **hints):
    return lambda w, x, w_scale, x_scale: product(w, x, w_scale, x_scale, **hints)


def specs(k=8, m=M, n=N, forms=(E5M2_X4, E2M1_X4), scales=None):
    shapes = ((k, m), (k, n), *(scales or ((k // 8, m), (k // 8, n))))
    return [TensorSpec(shape, form) for shape, form in zip(shapes, (*forms, UINT8, UINT8), strict=True)]


def test_one_load_and_one_matmul():
    program = compile_kernel(one(), bench_config(SMALL), *specs(n=32))
    steps = [i for stream in program.executed().values() for i in stream if i["mode"]]
    assert [i.opcode for i in steps] == [Opcode.LOAD_STATIONARY, Opcode.MATMUL]
    assert all(i["mode"] == Mode.MX and i["src1_size0"] == i["src0_size0"] for i in steps)


@pytest.mark.parametrize(
    ("preset", "given", "hints", "kind", "text"),
    [
        ("trn2-mini", {}, {}, NotBuiltError, "elements of e5m2_x4; the core of preset trn2-mini has"),
        (MINI, {"k": 16}, {"rows": 2}, KernelError, "16 partitions, which must be a multiple of 32"),
        (SMALL, {"m": 5}, {}, KernelError, "must have an even number of columns"),
        (SMALL, {"forms": (FORMATS["e5m2"], E5M2_X4)}, {}, KernelError, "must be of e4m3fn_x4, e5m2_x4, e2m1_x4"),
        (SMALL, {"scales": ((1, M + 2), (1, N))}, {}, KernelError, "stationary_scale .* must have 6 columns"),
        (SMALL, {}, {"above": (0, 2)}, KernelError, r"moving_scale .* at partition 2, and must at one of \[0, 4\]"),
        (SMALL, {}, {"above": (1, 0)}, KernelError, "stationary_scale .* begins at partition 1"),
        (SMALL, {}, {"tile_position": (32, 0)}, KernelError, "tile_position=.* without tile_size"),
    ],
)
def test_what_is_no_mx_is_refused(preset, given, hints, kind, text):
    with pytest.raises(kind, match=text):
        compile_kernel(one(**hints), bench_config(preset), *specs(**given))


def test_packed_operands_are_of_mx_alone():
    def kernel(w, x):
        tiles = [nl.load(source) for source in (w, x)]
        sums = nl.ndarray((w.shape[1], x.shape[1]), FP32, buffer=nl.psum, name="sums")
        nisa.nc_matmul(sums, *tiles)

    with pytest.raises(NotBuiltError, match="a matmul of e4m3fn_x4"):
        compile_kernel(kernel, bench_config(SMALL), TensorSpec((8, M), E4M3FN_X4), TensorSpec((8, N), E4M3FN_X4))


@functools.cache
def two_products():
    inputs = inputs_of(4, 8, 0.0)
    few = {name: bits for name, bits in inputs.items() if "e5m2" in name or "e2m1" in name or "scale" in name}

    def kernel(**sources):
        its = sources["w_scale"], sources["x_scale"]
        first = product(sources["w_e5m2_x4"], sources["x_e2m1_x4"], *its, name="first")
        return first, product(sources["w_e2m1_x4"], sources["x_e5m2_x4"], *its, name="second", above=(4, 4))

    return compiled(kernel, few), given(few)


def machine():
    return quick_machine(SMALL, SettlingMachine)


WRONG = {
    "scales in another place": (Opcode.MATMUL, {"src1_partition": 2}, ErrorCode.PARTITION),
    "scales of a load in another place": (Opcode.LOAD_STATIONARY, {"src1_partition": 1}, ErrorCode.PARTITION),
    "half a group": (Opcode.MATMUL, {"partitions": 4}, ErrorCode.PARTITION),
    "no packed type": (Opcode.MATMUL, {"src0_dtype": FORMATS["e5m2"].code}, ErrorCode.OPERAND),
    "scales of another type": (Opcode.LOAD_STATIONARY, {"src1_dtype": UINT8.code}, ErrorCode.OPERAND),
    "another mode than its load's": (
        Opcode.MATMUL,
        {"mode": 0, "src0_dtype": FORMATS["bf16"].code} | {f"src1_{name}": 0 for name in SLOT_FIELDS},
        ErrorCode.OPERAND,
    ),
    "scales in single mode": (Opcode.MATMUL, {"mode": 0}, ErrorCode.RESERVED),
    "too few scales": (Opcode.MATMUL, {"src1_size0": N - 1}, ErrorCode.SIZE),
    "scales that begin inside a word": (Opcode.MATMUL, {"src1_offset": 1}, ErrorCode.ALIGNMENT),
    "scales behind the memory": (Opcode.MATMUL, {"src1_offset": 0x3FFF0}, ErrorCode.SBUF_ADDRESS),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    opcode, values, code = WRONG[what]
    config, (program, inputs) = bench_config(SMALL), two_products()
    image, addresses = program.image(inputs), program.addresses
    stream = program.executed()[Queue.TENSOR]
    number = [n for n, i in enumerate(stream) if i.opcode == opcode][-1]
    at = addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    check_refused(Spoilt(image, addresses, Queue.TENSOR, number, config), code, machine())
