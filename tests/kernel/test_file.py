"""Kernel files: modules that exist inside of a run only, drivers that are not installed, what is refused and how."""

import os
import sys
import textwrap

import numpy as np
import pytest

from makalu.sw.kernel.file import KernelFileError, loaded_kernel
from makalu.sw.kernel.simulate import PLATFORM, simulate
from makalu.sw.nki.errors import KernelError, NoSuchModuleError, NotBuiltError, NotInNkiError, UnbuiltModuleError

HEAD = "import nki\nimport nki.language as nl\nimport nki.isa as nisa\n"
ADD = """
@nki.jit
def add(a, b):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.add(nl.load(a), nl.load(b)))
    return out
"""
X = np.arange(32, dtype=np.float32).reshape(4, 8)


def write(folder, text, name="k.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def result(path, function, *args, preset="tiny"):
    def inner(kernel, *given, **named):
        return simulate(kernel, preset=preset)(*given, **named)

    with loaded_kernel(f"{path}::{function}", inner) as kernel:
        return simulate(kernel, preset=preset)(*args)


def test_a_file_runs_and_leaves_nothing_behind(tmp_path):
    path = write(tmp_path, HEAD + "import os\nos.environ['LEFT'] = '1'\n" + ADD)
    before = path.read_bytes(), set(sys.modules), list(sys.path), list(sys.meta_path), dict(os.environ)
    assert (result(path, "add", X, X) == 2 * X).all()
    after = path.read_bytes(), set(sys.modules), list(sys.path), list(sys.meta_path), dict(os.environ)
    assert after[0] == before[0] and after[2:] == before[2:]
    assert not any(name.split(".")[0] in ("nki", "k") for name in after[1] - before[1])
    with pytest.raises(ModuleNotFoundError):
        __import__("nki")


def test_a_real_nki_is_out_of_sight_and_comes_back(tmp_path):
    real = write(tmp_path / "site", "REAL = True\n", "nki.py")
    sys.path.insert(0, str(real.parent))
    try:
        import nki  # noqa: PLC0415

        assert (result(write(tmp_path, HEAD + ADD), "add", X, X) == 2 * X).all()
        assert sys.modules["nki"] is nki and nki.REAL
    finally:
        sys.path.remove(str(real.parent))
        sys.modules.pop("nki", None)


def test_modules_of_drivers_do_no_harm(tmp_path):
    drivers = (
        "import torch\nimport torch_xla.core.xla_model as xm\nfrom torch_neuronx import xla_impl\n"
        "import jax.numpy as jnp\nDEFAULT = torch.float32\ndef driver():\n    return torch.ones(3)\n"
    )
    path = write(tmp_path, drivers + HEAD + ADD)
    assert (result(path, "add", X, X) == 2 * X).all()
    path = write(tmp_path, "import torch_xla\ndevice = torch_xla.device()\n" + HEAD + ADD)
    with pytest.raises(ModuleNotFoundError, match="torch_xla.device is called, but torch_xla is not installed"):
        result(path, "add", X, X)


def test_a_kernel_that_the_file_calls_itself_is_simulated(tmp_path):
    own = """
    import numpy as np
    x = np.ones((4, 8), np.float32)
    first = nki.simulate(add)(x, x)
    second = add(x, first)
    third = add[1](x, x)
    assert (first == 2).all() and (second == 3).all() and (third == 2).all()
    """
    assert (result(write(tmp_path, HEAD + ADD + textwrap.dedent(own)), "add", X, X) == 2 * X).all()


def test_a_package_with_relative_imports_and_helpers_in_other_files(tmp_path):
    write(tmp_path / "lib", "", "__init__.py")
    write(tmp_path / "lib", HEAD + "def twice(t):\n    return nl.add(t, t)\n", "helper.py")
    text = HEAD + "from .helper import twice\n" + ADD.replace("nl.add(nl.load(a), nl.load(b))", "twice(nl.load(a))")
    path = write(tmp_path / "lib", text, "kernel.py")
    assert (result(path, "add", X, X) == 2 * X).all()
    assert not [name for name in sys.modules if name.split(".")[0] == "lib"]


def test_two_files_of_one_name_do_not_see_each_other(tmp_path):
    for folder, factor in (("a", 2.0), ("b", 3.0)):
        write(tmp_path / folder, f"FACTOR = {factor}\n", "settings.py")
        text = HEAD + "from settings import FACTOR\n" + ADD.replace("nl.load(b)", "FACTOR")
        assert (result(write(tmp_path / folder, text), "add", X, X) == X + factor).all()


def test_kernels_inside_kernels_are_inlined(tmp_path):
    text = """
    @nki.jit
    def inner(tile):
        return nl.multiply(tile, 3.0)

    @nki.jit
    def outer(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        nl.store(out, inner(nl.load(a)))
        return out
    """
    assert (result(write(tmp_path, HEAD + textwrap.dedent(text)), "outer", X) == 3 * X).all()


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("import neuronxcc.nki as nki\n", NoSuchModuleError, r"not in NKI: import neuronxcc.*Beta 1.*k.py:1"),
        ("from neuronxcc import nki\n", NoSuchModuleError, r"Beta 1, which AWS removed"),
        ("import nki.collectives\n", UnbuiltModuleError, r"in NKI, not built here yet: import nki.collectives"),
        ("import nki.nonsense\n", NoSuchModuleError, r"not in NKI: import nki.nonsense"),
        (HEAD + "nl.par_dim(3)\n", NotInNkiError, r"nl.par_dim; it is of Beta 1.*k.py:4"),
        ("import nki\n@nki.jit\ndef add(a): pass\nadd[2]\n", NotBuiltError, r"add\[2\]: 2 cores on one kernel.*k.py:4"),
        ("import nki\n@nki.jit\ndef add(a): pass\nadd[2, 2]\n", NotInNkiError, r"a grid of several dimensions"),
        ("def add(:\n", KernelFileError, r"k.py:1 is no Python"),
        ("x = 1\0\n", KernelFileError, r"k.py.* is no Python: .*null bytes"),
        (f"x = {'[' * 5000}\n", KernelFileError, r"k.py:1 is no Python: too many nested parentheses"),
        (f"x = {'-' * 100_000}1\n", KernelFileError, r"k.py.* is no Python: "),
        (f"x = {'a.' * 100_000}a\n", KernelFileError, r"k.py.* is no Python: "),
        ("import nki\n@nki.jit\ndef other(a): pass\n", KernelFileError, r"k.py has no kernel 'add'; it has other"),
        ("raise ValueError('my own')\n", ValueError, r"^my own$"),
        ("import no_such_module\n", ModuleNotFoundError, r"No module named 'no_such_module'"),
    ],
)
def test_files_that_are_refused(tmp_path, text, kind, words):
    with pytest.raises(kind, match=words):
        result(write(tmp_path, text), "add", X)


def test_a_file_that_raises_keeps_its_own_traceback(tmp_path):
    path = write(tmp_path, "def f():\n    return 1 / 0\nf()\n")
    with pytest.raises(ZeroDivisionError) as error:
        result(path, "add", X)
    lines = [entry.lineno for entry in error.traceback if str(entry.path) == str(path)]
    assert [line + 1 for line in lines] == [3, 2]


def test_an_assertion_of_the_kernel_is_its_own(tmp_path):
    path = write(tmp_path, HEAD + ADD.replace("    out =", "    assert a.shape[0] == 128, 'needs 128 rows'\n    out ="))
    with pytest.raises(AssertionError, match="needs 128 rows"):
        result(path, "add", X, X)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("k.py", "a kernel is FILE.py::function, not 'k.py'"),
        ("::add", "a kernel is FILE.py::function"),
        ("nowhere.py::add", "nowhere.py is no file"),
        (f"{'n' * 300}.py::add", "n.py cannot be read: File name too long"),
        ("/proc/self/mem::add", r"/proc/\d+/mem cannot be read: "),
        ("\udcff.py::add", "the path of a kernel's file must be UTF-8, not '.udcff.py'"),
    ],
)
def test_targets_that_are_none(target, words):
    with pytest.raises(KernelFileError, match=words), loaded_kernel(target, None):
        pass


def test_the_variable_of_the_platform_picks_the_preset(tmp_path, monkeypatch):
    text = "import os\nos.environ['NEURON_PLATFORM_TARGET_OVERRIDE'] = 'gen2'\n" + HEAD + ADD
    path = write(tmp_path, text.replace("nl.add(", "assert_gen2() or nl.add("))
    path.write_text(
        path.read_text() + "\ndef assert_gen2():\n    assert nisa.get_nc_version() is nisa.nc_version.gen2\n"
    )
    monkeypatch.delenv(PLATFORM, raising=False)
    assert (result(path, "add", X, X, preset=None) == 2 * X).all()
    assert PLATFORM not in os.environ
    monkeypatch.setenv(PLATFORM, "trn9")
    with pytest.raises(ValueError, match="must be one of trn1, trn2, trn3, inf2.* not 'trn9'"):
        simulate(lambda x: x)(X)


def test_errors_name_the_kernel_s_line(tmp_path):
    path = write(tmp_path, HEAD + ADD.replace("nl.load(b)", "nl.load(b[:3])"))
    with pytest.raises(KernelError, match=r"do not broadcast to one shape \(at .*k.py:8\)"):
        result(path, "add", X, X)
