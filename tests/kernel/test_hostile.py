"""Arguments, results, names and files that nobody should give, but somebody will."""

import functools
import random
from collections import namedtuple

import numpy as np
import pytest

from makalu.spec.errors import MakaluError
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import ProgramError
from makalu.sw.compile.program_file import load_program, save_program
from makalu.sw.elements import ElementError
from makalu.sw.kernel.file import KernelFileError, loaded_kernel
from makalu.sw.kernel.given import ArgumentError, given_arguments
from makalu.sw.kernel.modules import kernel_modules
from makalu.sw.kernel.outcome import file_names
from makalu.sw.kernel.simulate import TargetError, simulate
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError
from makalu.sw.nki.tracing import TensorSpec

X = np.arange(32, dtype=np.float32).reshape(4, 8)
Y = 10 * X
Pair = namedtuple("Pair", "a b")


def added(a, b, name="o"):
    out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm, name=name)
    nl.store(out, nl.add(nl.load(a), nl.load(b)))
    return out


def passed_on(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class Weights(nl.NKIObject):
    first: object
    scale = 2.0


class Callable:
    def __call__(self, a, b):
        return added(a, b)


def run(kernel, /, *args, **kwargs):
    return simulate(kernel, preset="tiny")(*args, **kwargs)


@pytest.mark.parametrize(
    ("kernel", "args", "kwargs"),
    [
        (lambda a, *more: added(a, more[0]), (X, Y), {}),
        (lambda a, a_0: added(a[0], a_0), ([X], Y), {}),
        (lambda a_0, a: added(a_0, a[0], "a_0"), (X, [Y]), {}),
        (lambda **more: added(more["kernel"], more["config"]), (), {"kernel": X, "config": Y}),
        (lambda self, name, value=1: added(self, name), (X,), {"name": Y}),
        (lambda pair: added(pair.a, pair.b), (Pair(X, Y),), {}),
        (passed_on(added), (X, Y), {}),
        (functools.partial(added, name="q"), (X, Y), {}),
        (Callable(), (X, Y), {}),
        (Callable().__call__, (X, Y), {}),
        (added, (X[::-1][::-1], Y.T.copy().T), {}),
        (added, (X.astype(">f4"), Y), {}),
    ],
)
def test_arrays_reach_the_argument_that_they_were_given_as(kernel, args, kwargs):
    assert (run(kernel, *args, **kwargs) == X + Y).all()


def test_the_callers_objects_stay_as_they_were():
    weights = Weights(first=X)
    for _ in range(2):
        assert (run(lambda w: added(w.first, w.first), weights) == 2 * X).all() and weights.first is X


def test_results_of_any_shape_and_name():
    def kernel(x):
        nl.store(x[0:1], nl.load(x[1:2]))
        return Pair({"x": added(x, x), 1: x[0:2]}, [x, None])

    x = X.copy()
    got = run(kernel, x)
    assert isinstance(got, Pair) and (got.a["x"] == 2 * x).all() and (got.a[1] == X[[1, 1]]).all()
    assert (got.b[0] == x).all() and (x[0] == X[1]).all()


def test_a_kernel_in_a_kernel_is_a_function_and_a_simulation_in_it_another_run():
    with kernel_modules(lambda kernel, *args, **kwargs: simulate(kernel, preset="tiny")(*args, **kwargs)):
        import nki  # noqa: PLC0415, it exists in here only

        inner = nki.jit(lambda number: nl.full((4, 8), float(number), nl.float32))

        def outer(x):
            assert (nki.simulate(added)(X, X) == 2 * X).all()
            out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
            nl.store(out, nl.add(inner(2), nl.load(x)))
            return out

        assert (nki.jit(outer)(X) == X + 2).all()
        for wrong in (lambda: nki.jit(outer)[np.zeros(2)], lambda: nki.simulate(None), lambda: nki.jit("x")):
            with pytest.raises(KernelError, match="a grid is a number of cores|a kernel is a function"):
                wrong()


def itself():
    out = []
    out.append(out)
    return out


def fixed():
    out = X.copy()
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: run(lambda x: added(x[0], x[0]), itself()), KernelError, "holds itself"),
        (lambda: run(lambda x: itself(), X), KernelError, "what a kernel returns, a list, holds itself"),
        (lambda: run(lambda x: X, X), KernelError, "a kernel returns tensors"),
        (lambda: run(lambda x: nl.store(x, nl.load(x)), fixed()), KernelError, "whose array is read-only"),
        (lambda: run(added, np.ma.array(X, mask=X > 3), Y), ElementError, "a masked array"),
        (lambda: run(5, X), KernelError, "a kernel is a function"),
        (lambda: simulate(added, preset=5)(X, Y), TargetError, "preset must be a name"),
        (lambda: run(lambda x: exit(3), X), KernelError, r"the kernel ends Python: SystemExit\(3\)"),
        (lambda: given_arguments(["x=99999999999x99999999:fp32"], 0), ArgumentError, "has not the memory"),
        (lambda: given_arguments([f"x={'9' * 5000}:fp32"], 0), ArgumentError, "is none of"),
    ],
)
def test_what_cannot_be_is_refused(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize(("text", "message"), [("raise SystemExit(3)", "ends Python"), ("\0", "a.py is no Python")])
def test_files_that_are_no_kernels(tmp_path, text, message):
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(KernelFileError, match=message), loaded_kernel(f"{tmp_path}/a.py::f", lambda *_: None):
        pass


def test_files_of_outputs_stay_in_their_folder():
    names = ["x", "../../x", "a/b", "a_b", "", ".hidden", "..", "a b", "x" * 1000, "n\0l", "C:\\x"]
    files = file_names(names)
    assert list(files) == names and len(set(files.values())) == len(names)
    assert all(file.strip(".") and not set(file) & set("/\\\0 ") and len(file) < 250 for file in files.values())


def test_damaged_programs_are_refused(tmp_path):
    config, file = load_preset("tiny"), tmp_path / "p.makalu"
    save_program(compile_kernel(added, config, TensorSpec((4, 8), nl.float32), TensorSpec((4, 8), nl.float32)), file)
    whole, drawn = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        place = drawn.randrange(len(damaged))
        damaged[place : place + drawn.choice([0, 1, 30])] = drawn.randbytes(drawn.choice([0, 1, 9]))
        file.write_bytes(damaged[: drawn.choice([None, place])])
        try:
            load_program(file)
        except MakaluError as error:
            refused += isinstance(error, ProgramError)
    assert refused > 200
