"""`simulate(kernel)(arrays)`: types, shapes of what comes back, arguments of every kind, and what is refused."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

from makalu.spec.preset import load_preset
from makalu.sw.elements import ElementError
from makalu.sw.kernel.execution import Backend
from makalu.sw.kernel.simulate import Simulated, simulate
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError, NotBuiltError

X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def out(shape, dtype, name="o"):
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm, name=name)


def doubled(x):
    target = out(x.shape, x.dtype)
    nl.store(target, nl.multiply(nl.load(x), 2.0))
    return target


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_results_have_the_type_of_their_elements(dtype):
    x = X.astype(dtype)
    got = simulate(doubled, preset="tiny")(x)
    assert got.dtype == x.dtype and (got == x * dtype(2)).all()


def test_returned_values_keep_their_shape():
    def kernel(x):
        o = doubled(x)
        return {"all": o, "parts": (o[:2], [o[2:], 7]), "none": None}

    got = simulate(kernel, preset="tiny")(X)
    assert set(got) == {"all", "parts", "none"} and got["none"] is None and got["parts"][1][1] == 7
    assert (got["parts"][0] == 2 * X[:2]).all() and (got["parts"][1][0] == 2 * X[2:]).all()


def test_arrays_that_the_kernel_writes_are_changed():
    def kernel(x, y):
        nl.store(y[1:3], nl.load(x)[0:2])

    y = np.zeros((4, 8), np.float32)
    assert simulate(kernel, preset="tiny")(X, y) is None
    assert (y[1:3] == X[:2]).all() and not y[[0, 3]].any()


@dataclass(frozen=True)
class Settings:
    weight: object
    scale: float = 2.0


class Config(nl.NKIObject):
    weight: object
    scale = 3.0


@pytest.mark.parametrize(
    ("make", "factor"), [(Settings, 2), (Config, 3), (lambda weight: Config(weight=weight, scale=4), 4)]
)
def test_arguments_may_be_objects_with_arrays(make, factor):
    def kernel(settings, lists):
        target = out((4, 8), nl.float32)
        nl.store(target, nl.multiply(nl.add(nl.load(settings.weight), nl.load(lists[0])), settings.scale))
        return target

    assert (simulate(kernel, preset="tiny")(make(weight=X), [X]) == factor * 2 * X).all()


def test_objects_refuse_fields_that_they_do_not_have():
    assert Config(X, 1.0).scale == 1.0
    with pytest.raises(TypeError, match="Config has no field 'wait'; it has weight, scale"):
        Config(weight=1, wait=2)
    with pytest.raises(TypeError, match="Config needs a value for 'weight'"):
        Config()


def test_other_arguments_are_passed_as_they_are():
    def kernel(x, *more, scale=1.0, **rest):
        assert more == (3,) and rest == {"mode": "fast"} and isinstance(scale, float)
        return doubled(x)

    assert (simulate(kernel, preset="tiny")(X, 3, scale=0.5, mode="fast") == 2 * X).all()


@pytest.mark.parametrize(
    ("array", "kind", "text"),
    [
        (np.abs(X).astype(ml_dtypes.float8_e8m0fnu), NotBuiltError, r"elements of e8m0; the core of preset tiny has"),
        (X > 0, NotBuiltError, r"elements of nl.bool"),
        (X.astype(np.float64), KernelError, r"argument x is float64.*give x.astype\(np.float32\)"),
        (X.astype(complex), KernelError, r"dtype must be"),
        (np.array([["a"]]), KernelError, r"dtype must be"),
        (np.zeros((0, 4), np.float32), ElementError, r"argument x is empty: shape \[0, 4\]"),
    ],
)
def test_arrays_of_other_types_are_refused(array, kind, text):
    with pytest.raises(kind, match=text):
        simulate(doubled, preset="tiny")(array)


def test_back_ends():
    timing = simulate(doubled, preset="tiny", backend="timing", full=True)(X)
    golden = simulate(doubled, preset=load_preset("tiny"), full=True)(X)
    assert isinstance(golden, Simulated) and (golden.value == 2 * X).all()
    assert timing.value is None and timing.execution.cycles == golden.execution.cycles > 0
    assert golden.execution.backend is Backend.GOLDEN
    with pytest.raises(ValueError, match="'chip' is not a valid Backend"):
        simulate(doubled, backend="chip")


def test_torch_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    got = simulate(doubled, preset="tiny")(torch.tensor(X))
    assert isinstance(got, torch.Tensor) and (got.numpy() == 2 * X).all()
    half = torch.tensor(X).bfloat16()
    assert torch.equal(simulate(doubled, preset="tiny")(half), half * 2)
