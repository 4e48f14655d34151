"""Any value in any argument: it is taken, or refused as a `MakaluError` with the kernel's line; never a foreign error.

The values that a call takes are those that the stubs name; what is checked here is that nothing else passes in silence.
"""

from fractions import Fraction

import numpy as np
import pytest

from makalu.spec.errors import MakaluError
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, LanguageError
from makalu.sw.nki.tracing import TensorSpec, trace
from tests.sw.kernels import TINY

SPEC = TensorSpec((4, 4), nl.float32)


class Nameless:
    def __repr__(self):
        raise RuntimeError("no text")


VALUES = [
    *(None, "x", "3", b"x", 1.5, float("nan"), True, -1, 10**30, 10**5000, 1j, np.float32(2), np.str_("a")),
    *(np.zeros((2, 2), np.float32), np.datetime64("2020-01-01"), np.complex64(1j), (), [], (1, "x"), {"a": 1}, set()),
    *(slice(None), ..., object(), nl.add, nl.float32, nl.sbuf, nisa.engine.dma, Fraction(1, 3), Nameless(), type),
]

CALLS = {
    "nc_matmul": (nisa.nc_matmul, "dst=p stationary=b moving=b is_transpose accumulate tile_position perf_mode"),
    "nc_transpose": (nisa.nc_transpose, "dst=pt data=b engine name"),
    "tensor_copy": (nisa.tensor_copy, "dst=t src=t engine name"),
    "memset": (nisa.memset, "dst=t value=one engine"),
    "tensor_tensor": (nisa.tensor_tensor, "dst=t data1=t data2=t op=op engine"),
    "tensor_scalar": (nisa.tensor_scalar, "dst=t data=t op0=op operand0=one op1=op operand1=one reverse1 engine"),
    "activation": (nisa.activation, "dst=t op=relu data=t bias scale reduce_op reduce_res reduce_cmd"),
    "dma_copy": (nisa.dma_copy, "dst=h src=t priority oob_mode dge_mode engine"),
    "ndarray": (nl.ndarray, "shape=shape dtype=dtype buffer name address"),
    "full": (nl.full, "shape=shape fill_value=one dtype=dtype buffer name"),
    "zeros_like": (nl.zeros_like, "x=t dtype buffer name"),
    "expand_dims": (nl.expand_dims, "x=t axis=axis"),
    "shared_constant": (nl.shared_constant, "constant=array"),
    "shared_identity_matrix": (nl.shared_identity_matrix, "n=axis dtype=half dst"),
    "range": (nl.affine_range, "start=axis stop step"),
    "load": (nl.load, "src=a dtype"),
    "store": (nl.store, "dst=h value=t"),
    "broadcast_to": (nl.broadcast_to, "x=c shape=shape dtype"),
    "matmul": (nl.matmul, "x=b y=b transpose_x"),
    "add": (nl.add, "x=t y=t dtype"),
    "slice": (nl.NkiTensor.slice, "self=t dim=axis start=zero end=two step"),
    "select": (nl.NkiTensor.select, "self=t dim=axis index=zero"),
    "permute": (lambda self, dims: self.permute(dims), "self=t dims=order"),
    "reshape": (lambda self, shape: self.reshape(shape), "self=t shape=shape"),
    "reshape_dim": (nl.NkiTensor.reshape_dim, "self=t dim=axis shape=pair"),
    "flatten_dims": (nl.NkiTensor.flatten_dims, "self=t start_dim=axis end_dim=axis"),
    "expand_dim": (nl.NkiTensor.expand_dim, "self=t dim=axis"),
    "squeeze_dim": (nl.NkiTensor.squeeze_dim, "self=c dim=axis"),
    "broadcast": (nl.NkiTensor.broadcast, "self=c dim=axis size=two"),
    "view": (nl.NkiTensor.view, "self=t dtype=dtype"),
    "ap": (nl.NkiTensor.ap, "self=t pattern=pattern offset scalar_offset vector_offset indirect_dim dtype"),
    "rearrange": (nl.NkiTensor.rearrange, "self=t src_pattern=split dst_pattern=merged fixed_sizes=sizes"),
    "index": (nl.NkiTensor.__getitem__, "self=t key=axis"),
    "ds": (lambda self, start, size: self[:, nl.ds(start, size)], "self=t start=zero size=two"),
    "bounds": (lambda self, a, b, c: self[:, a:b:c], "self=t a=zero b=two c=axis"),
    "assign": (lambda self, value: self.__setitem__(..., value), "self=t value=one"),
}


def things(a):
    """What the calls are given, by name."""
    tile = nl.load(a)
    half, column = nl.load(a, dtype=nl.bfloat16), nl.load(a[:, 0:1])
    sums, turned = nl.matmul(half, half, transpose_x=True), nl.ndarray((4, 4), nl.bfloat16, buffer=nl.psum)
    out = nl.ndarray((4, 4), nl.float32, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return {
        **{"a": a, "t": tile, "b": half, "c": column, "p": sums, "pt": turned, "h": out, "one": 1.0, "op": nl.add},
        **{"relu": nl.relu, "shape": (4, 4), "pair": (2, 2), "order": (0, 1), "dtype": nl.float32, "axis": 1},
        **{"zero": 0, "two": 2, "half": nl.bfloat16, "array": np.ones((2, 2), np.float32), "sizes": {"h": 2}},
        **{"pattern": [[4, 4], [1, 4]], "split": ("p", ("h", "w")), "merged": ("p", "w", "h")},
    }


@pytest.mark.parametrize("name", CALLS)
def test_any_value_is_taken_or_refused_with_its_line(name):
    function, text = CALLS[name]
    wanted = dict(item.partition("=")[::2] for item in text.split())

    def called(argument, value):
        def kernel(a):
            known = things(a)
            given = {key: known[thing] for key, thing in wanted.items() if thing}
            if argument is not None:
                given[argument] = value
            function(*[given.pop("self")] if "self" in given else [], **given)
            return known["h"]

        compile_trace(trace(kernel, TINY, SPEC))

    called(None, None)
    for argument in wanted:
        for value in VALUES if argument != "self" else []:
            try:
                called(argument, value)
            except MakaluError as error:
                assert str(error) and (not isinstance(error, LanguageError) or error.sites)


def test_tensors_belong_to_the_call_that_made_them():
    kept = []

    def first(a):
        kept.extend([a, nl.load(a)])
        out = nl.ndarray((4, 4), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, kept[1])
        return out

    trace(first, TINY, SPEC)

    def returns(a):
        return kept[0]

    def reads(a):
        return nl.store(a, kept[1])

    def loads(a):
        nl.load(kept[0])

    for kernel in (returns, reads, loads):
        with pytest.raises(KernelError, match="belongs to another call of a kernel"):
            trace(kernel, TINY, SPEC)
    for call in (lambda: nl.load(kept[0]), lambda: kept[1].__setitem__(..., 1.0), lambda: nisa.memset(kept[1], 0.0)):
        with pytest.raises(KernelError, match="inside a kernel only"):
            call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: nisa.memset(nl.shared_identity_matrix(4, nl.bfloat16), 0.0), "is a constant that others"),
        (lambda t: nl.store(nl.shared_constant(np.ones((4, 4), np.float32)), t["t"]), "is a constant that others"),
        (lambda t: nisa.memset(t["t"][0:1].broadcast(0, 4), 1.0), "dst .* repeats elements"),
        (lambda t: nisa.tensor_copy(t["t"].ap([[4, 4], [1, 2], [1, 2]]), t["t"]), "dst .* repeats elements"),
        (lambda t: nisa.nc_matmul(t["p"][:, 0:1].broadcast(1, 4), t["b"], t["b"], accumulate=False), "repeats"),
        (lambda t: nisa.tensor_tensor(t["t"], t["p"], t["p"], nl.add), "both in PSUM, one at most is legal"),
        (lambda t: nisa.tensor_scalar(t["t"], t["t"], nl.add, t["b"][:, 0:1]), "operand0 .* must be float32"),
        (lambda t: nisa.tensor_scalar(t["t"], t["t"], nl.add, 1.0, op1=nl.add), "operand1 is None, but op1"),
        (lambda t: nisa.tensor_scalar(t["t"], t["t"], nl.add, None), "operand0 is None, but op0"),
        (lambda t: nisa.activation(t["t"], nl.relu, t["t"], scale=t["b"][:, 0:1]), "scale .* must be float32"),
        (lambda t: nisa.tensor_copy(t["t"], t["p"], engine=nisa.gpsimd_engine), "does not reach PSUM"),
        (lambda t: nisa.tensor_copy(t["t"], t["t"], engine=nisa.tensor_engine), "engine must be one of nisa"),
        (lambda t: nisa.memset(t["t"], 1.0, engine=nisa.scalar_engine), "engine must be one of nisa.engine.vector"),
        (lambda t: nisa.dma_copy(t["h"], t["t"], priority=4), "priority must be from 0 to 3, not 4"),
        (lambda t: t["t"][:, nl.ds(0, -1)], r"nl.ds\(0, -1\): from 0 on"),
        (lambda t: t["t"].slice(1, 2, -1), "slice from 2 to -1"),
        (lambda t: nl.shared_constant("/no/such/file.npy"), "is no array: .*No such file"),
        (lambda t: nl.affine_range(0, 4, 0), "the step of a range must not be 0"),
    ],
)
def test_rules_of_the_documents(call, text):
    with pytest.raises(KernelError, match=text):
        trace(lambda a: call(things(a)), TINY, SPEC)


def test_a_range_is_pythons():
    assert nl.affine_range(10, step=3) == range(0, 10, 3) and len(nl.sequential_range(2, 6)) == 4
