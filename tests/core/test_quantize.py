"""quantize_mx through the whole core: bits as gfloat has them, golden's on the RTL, cycles as the timing model's."""

import functools

import gfloat
import gfloat.formats as gformats
import numpy as np
import pytest

from makalu.sim_models.golden.formats import widen
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, E2M1_X4, E4M3FN_X4, E5M2_X4, FORMATS, FP16, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.quantize import GROUP_ELEMENTS, ScaleRule
from makalu.spec.scales import GROUP_PARTITIONS, quadrant
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

SMALL, MINI = "eight-background", "trn3-mini"
UINT8 = FORMATS["uint8"]


def quantized(src, *, kind, rule, above=0, shape=None, offset=0, suffix=""):
    """The containers, and the scales as they lie in the partitions of a tile."""
    whole = quadrant(bench_config(SMALL) if src.shape[0] == 8 else bench_config(MINI))
    rows, columns = src.shape[0], src.shape[1] // GROUP_ELEMENTS
    tile = nl.ndarray(src.shape, src.dtype, name="tile")
    nisa.dma_copy(tile, src)
    elements = nl.ndarray((rows, columns), kind, name="elements")
    scales = nl.ndarray((rows, columns + offset), UINT8, name="scales")
    part = scales[above:, offset:]
    if shape:
        nisa.quantize_mx(
            elements.reshape((rows, *shape)),
            tile.reshape((rows, *shape[:-1], shape[-1] * GROUP_ELEMENTS)),
            part.reshape((part.shape[0], *shape)),
            scale_rule=rule,
        )
    else:
        nisa.quantize_mx(elements, tile, part, scale_rule=rule)
    out = nl.ndarray(elements.shape, kind, buffer=nl.shared_hbm, name=f"out{suffix}")
    nisa.dma_copy(out, elements)
    codes = nl.ndarray((rows // GROUP_PARTITIONS, columns), UINT8, buffer=nl.shared_hbm, name=f"codes{suffix}")
    groups = whole // GROUP_PARTITIONS
    for base in range(0, rows, whole):
        lines = slice(base // GROUP_PARTITIONS, base // GROUP_PARTITIONS + groups)
        nisa.dma_copy(codes[lines], part[base : base + groups])
    return out, codes


def by_gfloat(kind, rule, values):
    """(elements, codes) by gfloat: its rounding, its scale of the OCP rule, twice that for the other one."""
    form = {"e4m3fn_x4": gformats.format_info_ocp_e4m3, "e5m2_x4": gformats.format_info_ocp_e5m2}[kind.name]
    rows, columns = values.shape
    elements = np.zeros(values.shape, np.uint8)
    codes = np.zeros((rows // GROUP_PARTITIONS, columns // GROUP_ELEMENTS), np.uint8)
    for i, j in np.ndindex(codes.shape):
        place = np.s_[i * GROUP_PARTITIONS : (i + 1) * GROUP_PARTITIONS, j * GROUP_ELEMENTS : (j + 1) * GROUP_ELEMENTS]
        group = values[place].astype(np.float64)
        scale = gfloat.compute_scale_amax(form.emax - (rule is ScaleRule.ROOM), group)
        codes[i, j] = int(np.log2(scale)) + 127
        each = [gfloat.encode_float(form, gfloat.round_float(form, value / scale, sat=True)) for value in group.flat]
        elements[place] = np.reshape(each, group.shape)
    return elements, codes


def numbers(rng, form, shape):
    """Every magnitude that the type has, groups of zeros and of tiny numbers among them."""
    raw = rng.integers(0, 1 << 8 * form.bytes, shape).astype(np.uint16)
    special = (raw & form.magnitude_mask) >= form.infinity
    raw[special] &= ~np.uint16(1 << form.fraction_bits)
    columns = shape[1] // GROUP_ELEMENTS
    for j in range(columns):
        place = np.s_[:, j * GROUP_ELEMENTS : (j + 1) * GROUP_ELEMENTS]
        if j % 4 == 1:
            raw[place] &= np.uint16(0x8000 | (1 << form.fraction_bits + rng.integers(-2, 2)) - 1)  # subnormals
        elif j % 4 == 2:  # exponents near each other, as data has them
            near = rng.integers(form.exponent_mask // 3, form.exponent_mask - 4) + rng.integers(0, 4, raw[place].shape)
            raw[place] = raw[place] & ~np.uint16(form.infinity) | (near << form.fraction_bits).astype(np.uint16)
        elif j % 8 == 3:
            raw[place] &= 0x8000
    return raw


def compiled(form, source, preset, **hints):
    def kernel(src):
        return quantized(src, **hints)

    return compile_kernel(kernel, bench_config(preset), src=TensorSpec(source, form))


CASES = [(form, kind, rule) for form in (BF16, FP16) for kind in (E4M3FN_X4, E5M2_X4) for rule in ScaleRule]


@pytest.mark.parametrize(("form", "kind", "rule"), CASES)
def test_golden_is_gfloat(form, kind, rule):
    rng = np.random.default_rng(5)
    raw = numbers(rng, form, (32, 64))
    program = compiled(form, raw.shape, MINI, kind=kind, rule=rule)
    got = run_golden(program, {"src": Bits(raw)}, config=bench_config(MINI))
    elements, codes = by_gfloat(kind, rule, widen(form, raw).view(np.float32))
    assert np.array_equal(got["codes"], codes)
    assert np.array_equal(got["out"].view(np.uint8), elements)


def test_elements_in_any_order_keep_their_group():
    """Dimensions that no operand shares, scales at another place of the quadrant: the same bits."""
    raw = numbers(np.random.default_rng(6), BF16, (32, 96))
    hints = {"kind": E5M2_X4, "rule": ScaleRule.ROOM}
    runs = [
        run_golden(compiled(BF16, raw.shape, MINI, **hints, **more), {"src": Bits(raw)}, config=bench_config(MINI))
        for more in ({}, {"shape": (2, 3, 4), "above": 12, "offset": 7})
    ]
    assert all(np.array_equal(runs[0][name], runs[1][name]) for name in ("out", "codes"))


def test_infinities_and_nans_make_their_group_a_nan():
    raw = np.full((32, 12), 0x3F80, np.uint16)
    raw[3, 2], raw[20, 9] = BF16.infinity, BF16.canonical_nan | 0x8000
    program = compiled(BF16, raw.shape, MINI, kind=E4M3FN_X4, rule=ScaleRule.OCP)
    got = run_golden(program, {"src": Bits(raw)}, config=bench_config(MINI))
    nan = got["codes"] == 0xFF
    assert nan.sum() == 2 and nan[0, 0] and nan[2, 2]
    each = np.repeat(np.repeat(nan, GROUP_PARTITIONS, axis=0), GROUP_ELEMENTS, axis=1)
    assert np.array_equal(got["out"].view(np.uint8) == 0x7F, each)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "kind", "rule", "above"),
    [(BF16, E4M3FN_X4, ScaleRule.ROOM, 4), (FP16, E5M2_X4, ScaleRule.OCP, 0)],
)
def test_on_the_rtl(form, kind, rule, above):
    raw = numbers(np.random.default_rng(7), form, (8, 80))
    raw[5, 70] = form.infinity
    program = compiled(form, raw.shape, SMALL, kind=kind, rule=rule, above=above, offset=3)
    check(Case(SMALL, program, {"src": Bits(raw)}), memory_of("tiny", 20))


def one(src, *, kind=E4M3FN_X4, shape=None, place=0, rows=None, columns=None, scale=UINT8):
    tile = nl.load(src)
    elements = nl.ndarray(shape or (src.shape[0], src.shape[1] // GROUP_ELEMENTS), kind, name="elements")
    columns = columns or src.shape[1] // GROUP_ELEMENTS
    scales = nl.ndarray((src.shape[0], columns), scale, name="scales")
    nisa.quantize_mx(elements, tile, scales[place : rows or src.shape[0]])


@pytest.mark.parametrize(
    ("preset", "spec", "hints", "kind", "text"),
    [
        ("trn2-mini", ((32, 8), BF16), {"kind": UINT8}, NotBuiltError, "trn2-mini, which has no MX"),
        (MINI, ((32, 8), FP32), {}, KernelError, "src .* must be of bf16 or fp16"),
        (MINI, ((32, 8), BF16), {"kind": E2M1_X4}, KernelError, "dst .* must be of e4m3fn_x4 or e5m2_x4"),
        (MINI, ((16, 8), BF16), {}, KernelError, "16 partitions from 0 on, which come by 32"),
        (MINI, ((32, 8), BF16), {"shape": (32, 3)}, KernelError, "32 partitions of 12 elements, 4 for each"),
        (MINI, ((32, 8), BF16), {"place": 2}, KernelError, r"begins at partition 2, and must at one of \[0, 4, 8"),
        (MINI, ((32, 8), BF16), {"rows": 3}, KernelError, "must have 4 to 32 partitions"),
        (MINI, ((32, 8), BF16), {"columns": 3}, KernelError, "dst_scale .* must have 2 columns"),
        (MINI, ((32, 8), BF16), {"scale": BF16}, KernelError, "dst_scale .* must be of uint8"),
    ],
)
def test_what_cannot_be_quantised_is_refused(preset, spec, hints, kind, text):
    with pytest.raises(kind, match=text):
        compile_kernel(lambda src: one(src, **hints), bench_config(preset), src=TensorSpec(*spec))


def machine():
    return quick_machine(SMALL, SettlingMachine)


@functools.cache
def two_tiles():
    """Two tiles, so that other queues have something to do."""
    raw = numbers(np.random.default_rng(9), BF16, (8, 16))

    def kernel(src):
        hints = {"kind": E4M3FN_X4, "rule": ScaleRule.ROOM}
        return (*quantized(src, **hints), *quantized(src, **hints, above=4, suffix="_2"))

    return compile_kernel(kernel, bench_config(SMALL), src=TensorSpec(raw.shape, BF16)), {"src": Bits(raw)}


WRONG = {
    "scales in another place": ({"src1_partition": 2}, ErrorCode.PARTITION),
    "half a group": ({"partitions": 4}, ErrorCode.PARTITION),
    "too few scales": ({"src1_size0": 3}, ErrorCode.SIZE),
    "more scales": ({"src1_size1": 2}, ErrorCode.SIZE),
    "scales of another type": ({"src1_dtype": UINT8.code}, ErrorCode.OPERAND),
    "a packed type": ({"dst_dtype": E4M3FN_X4.code}, ErrorCode.OPERAND),
    "no such rule": ({"scale_rule": 2}, ErrorCode.OPERAND),
    "scales behind the memory": ({"src1_offset": 0x3FFFF}, ErrorCode.SBUF_ADDRESS),
    "a number": ({"immediate0": 1}, ErrorCode.RESERVED),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_hardware_refuses(what):
    values, code = WRONG[what]
    config, (program, inputs) = bench_config(SMALL), two_tiles()
    image, addresses = program.image(inputs), program.addresses
    stream = program.executed()[Queue.VECTOR]
    number = [n for n, i in enumerate(stream) if i.opcode == Opcode.QUANTIZE_MX][-1]
    at = addresses[Queue.VECTOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), **values)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    check_refused(Spoilt(image, addresses, Queue.VECTOR, number, config), code, machine())
