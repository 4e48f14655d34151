"""What a kernel may be called with and may return: nothing that was given is changed, and every error is one line."""

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from makalu.spec.errors import MakaluError
from makalu.sw.compile.compiler import CompileError
from makalu.sw.kernel.modules import kernel_modules
from makalu.sw.kernel.simulate import simulate
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, NotInNkiError
from tests.sw.kernels import TINY

X = np.random.default_rng(0).standard_normal((4, 24)).astype(np.float32)
Pair = namedtuple("Pair", "weight factor")


class Layer(nl.NKIObject):
    weight: Any
    factor: float = 2.0


@dataclass(frozen=True)
class Frozen:
    weight: Any
    factor: float = 2.0


def run(kernel, *args, **kwargs):
    return simulate(kernel, preset=TINY)(*args, **kwargs)


def stored(tile, name="out"):
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm, name=name)
    nl.store(out, tile)
    return out


def doubled(x):
    nl.store(x, nl.multiply(nl.load(x), 2.0))


def weighted(x, layer):
    return stored(nl.add(nl.load(x), nl.multiply(nl.load(layer.weight), layer.factor)))


@pytest.mark.parametrize("made", [Layer(weight=X), Frozen(X), Pair(X, 2.0)], ids=["NKIObject", "dataclass", "tuple"])
def test_an_object_with_arrays_is_as_it_was(made):
    for _ in range(2):
        assert (run(weighted, X, made) == X + X * np.float32(2)).all()
        assert made.weight is X


def test_any_number_of_arrays():
    def kernel(*xs, **more):
        return stored(nl.subtract(nl.add(nl.load(xs[0]), nl.load(xs[1])), nl.load(more["last"])))

    assert (run(kernel, X, X, last=X) == X).all()


def test_a_named_tuple_comes_back_as_one():
    got = run(lambda x: Pair(stored(nl.load(x)), 3), X)
    assert isinstance(got, Pair) and (got.weight == X).all() and got.factor == 3


ORDERS = {"columns": np.asfortranarray(X), "turned": X[::-1, ::-1], "one row": np.broadcast_to(X[:1], (4, 24))}


@pytest.mark.parametrize("given", ORDERS.values(), ids=ORDERS)
def test_an_array_may_lie_in_any_order(given):
    assert (run(lambda x: stored(nl.load(x)), given) == given).all()


def test_an_output_may_have_the_name_of_a_changed_argument():
    def kernel(x):
        doubled(x)
        return {"x": stored(nl.multiply(nl.load(x), 2.0))}

    given = X.copy()
    done = simulate(kernel, preset=TINY, full=True)(given)
    assert (given == 2 * X).all() and (done.value["x"] == 4 * X).all()
    assert {name: values.tolist() for name, values in done.execution.values.items()} == {
        "x": (2 * X).tolist(),
        "x_1": (4 * X).tolist(),
    }


def test_a_part_of_an_array_is_changed_in_place():
    whole = X.copy()
    run(doubled, whole[:, ::2])
    assert (whole[:, ::2] == 2 * X[:, ::2]).all() and (whole[:, 1::2] == X[:, 1::2]).all()


def test_a_kernel_inside_of_a_kernel_is_a_function():
    from_file = """
import nki, nki.language as nl

@nki.jit
def inner(tensors):
    return nl.load(tensors[0])

@nki.jit
def outer(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, inner([x]))
    return out
"""
    names = executed(from_file)
    assert (run(names["outer"], X) == X).all()


def executed(text):
    names: dict[str, Any] = {}
    with kernel_modules(run):
        exec(text, names)
    return names


ERRORS = [
    (lambda x: None, (X.astype(np.float64),), KernelError, "argument x is float64, .* give x.astype.np.float32."),
    (lambda x: None, (X.astype(np.int64),), KernelError, "dtype must be one of nl.float32, nl.bfloat16, "),
    (doubled, (np.broadcast_to(X[:1], (4, 24)),), KernelError, "writes argument x, whose array is read-only"),
    (lambda x: x, (X,), CompileError, "no instructions: it returns its arguments as they are"),
    (lambda x: X, (X,), KernelError, r"in tuples, lists or dicts, not array\(\[\[.*\.\.\.$"),
    (lambda x: [nl.copy(row) for row in nl.load(x)], (X,), NotInNkiError, r"loop over an index, such as .*range\(4\)"),
    (lambda x: stored(nl.load(x), 5), (X,), KernelError, "name must be a string, not 5"),
    (lambda x: nl.exp(nl.load(x)), (X,), MakaluError, "not built here yet: nl.exp; docs/nki.md"),
    (lambda x: nl.load(x).__setitem__(0, np.ones(3)), (X,), KernelError, "assignment must be a number, not array"),
    (lambda x: nl.load(x).__setitem__(0, None), (X,), KernelError, "value of an assignment must be a number, not None"),
    (lambda x: nisa.memset(nl.load(x), X), (X,), KernelError, "value must be a number, not array"),
]


@pytest.mark.parametrize(("kernel", "given", "kind", "text"), ERRORS, ids=[e[3][:24] for e in ERRORS])
def test_an_error_is_one_line(kernel, given, kind, text):
    with pytest.raises(kind, match=text) as error:
        run(kernel, *given)
    assert "\n" not in str(error.value)
