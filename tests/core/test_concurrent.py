"""Small matmuls that run at once: golden's bits, the timing model's cycles, on the models and the RTL."""

import numpy as np
import pytest

from makalu.spec.engines import Channel
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import FORMATS, FP32
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.tensor_modes import Mode
from makalu.sw.cli.bench.small import diagonal_sets
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.elements import Bits
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.timing import predict
from tests.core.bad_input import Spoilt, with_fields
from tests.core.bad_input import check as check_refused
from tests.core.test_sparse_models import SPARSE
from tests.core.test_sparse_models import check as check_models
from tests.core.test_tiles import BLOCKS, compiled, given, inputs_of_modes, machine
from tests.core.timed import Case, check, memory_of
from verif.lib.variants import bench_config
from verif.tensor.elements import random_elements

BF16 = FORMATS["bf16"]
SMALL = "eight-background"
N = 21


def sets_of(config, size, seed):
    """Program and inputs: sets of matmuls, rows to columns at random, of both types, some added to the set before."""
    rng, (rows, columns) = np.random.default_rng(seed), size
    most = min(config.tensor.rows // rows, config.tensor.columns // columns)
    sets = []
    for n in range(6):
        count = int(rng.integers(2, most + 1))
        sets.append((rng.permutation(count).tolist(), ("bf16", "fp32")[n % 2], bool(n > 1 and rng.random() < 0.5)))

    def kernel(**sources):
        tiles = {name: nl.load(source) for name, source in sources.items()}
        sums = [nl.ndarray((most * columns, N), FP32, buffer=nl.psum, name=f"sums{n}") for n in range(2)]
        for each in sums:
            nisa.memset(each, 0.5)
        for n, (order, form, adds) in enumerate(sets):
            for i in rng.permutation(len(order)).tolist():
                k, m = (slice(size * at, size * (at + 1)) for size, at in ((rows, i), (columns, order[i])))
                place = {"tile_position": (k.start, m.start), "tile_size": size, "accumulate": adds}
                left, right = tiles[f"w_{form}"][k, columns * (n // 2 % 2) :][:, :columns], tiles[f"x_{form}"][k]
                nisa.nc_matmul(sums[n % 2][m], left, right, **place)
        outs = [nl.ndarray(each.shape, FP32, buffer=nl.shared_hbm, name=f"out{n}") for n, each in enumerate(sums)]
        for out, each in zip(outs, sums, strict=True):
            nl.store(out, each)
        return tuple(outs)

    shapes = {"w": (most * rows, 2 * columns), "x": (most * rows, N)}
    inputs = {
        f"{side}_{form.name}": random_elements(rng, form, shape, specials=0.1)
        for side, shape in shapes.items()
        for form in (BF16, FP32)
    }
    specs = {name: TensorSpec(bits.shape, FORMATS[name[2:]]) for name, bits in inputs.items()}
    program = compile_kernel(kernel, config, **specs)
    assert any(i.opcode == Opcode.LOAD_STATIONARY and i["apart"] for i in program.executed()[Queue.TENSOR])
    return program, {name: Bits(bits) for name, bits in inputs.items()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(1, 2), (2, 2)])
def test_on_the_models(size, seed):
    check_models(*sets_of(SPARSE, size, seed))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "seed"), [((2, 4), 3), ((4, 4), 4)])
def test_on_the_rtl(size, seed):
    check(Case(SMALL, *sets_of(bench_config(SMALL), size, seed)), memory_of("tiny", 20))


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.DOUBLE_ROW, Mode.MX])
def test_the_hardware_refuses_tiles_apart_in_other_modes(mode):
    inputs = inputs_of_modes(5, 0.0)
    program = compiled(BLOCKS, inputs)
    image, stream = program.image(given(inputs)), program.executed()[Queue.TENSOR]
    number = next(n for n, i in enumerate(stream) if i.opcode == Opcode.LOAD_STATIONARY and i["mode"] == mode)
    at = program.addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    spoilt = with_fields(image[at : at + INSTRUCTION_BYTES].tobytes(), apart=1)
    image[at : at + INSTRUCTION_BYTES] = np.frombuffer(spoilt, np.uint8)
    where = Spoilt(image, program.addresses, Queue.TENSOR, number, bench_config(SMALL))
    check_refused(where, ErrorCode.OPERAND, machine())


@pytest.mark.parametrize(
    ("preset", "size", "columns"),
    [("trn1", (64, 64), 512), ("trn2", (32, 32), 512), ("trn2", (32, 64), 84), ("trn3", (32, 32), 92)],
)
def test_all_of_a_set_take_the_columns_of_one(preset, size, columns):
    """By the timing model: a set follows on the one before without a bubble from C/2 + 2 columns on and a cycle for
    each group of its other loads, rounded up to a frame.
    """
    config, count, repeats = bench_config(preset), 128 // max(size), 9
    specs = [TensorSpec((size[0] * count, n), BF16) for n in (size[1], columns)]
    program = compile_kernel(diagonal_sets(size, count, repeats), config, *specs)
    timeline = predict(program, config, memory_of(preset, 100))
    ends = [event.cycle for event in timeline.finishes if event.where is Channel.MATMUL]
    assert len(ends) == repeats and set(np.diff(ends).tolist()) == {columns}
