"""Each example runs by one command, and ends with an error when a value is not numpy's."""

import subprocess
import sys

import numpy as np
import pytest

from makalu.examples.copy import __main__ as copy_main
from makalu.examples.gemm import __main__ as gemm_main


def command(*arguments):
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("makalu.examples.gemm",), "gemm on tiny: K, M, N = 64, 48, 80: 3,840 of 3,840 values"),
        (("makalu.examples.gemm", "small"), "gemm on small: K, M, N = 64, 48, 80: 3,840 of 3,840 values"),
        (("makalu.examples.copy",), "copy on tiny: 24 x 1000: 24,000 of 24,000 values"),
        (("makalu.examples.add",), "add on tiny: 24 x 200: 4,800 of 4,800 values"),
        (("makalu.examples.decode",), "decode on tiny: 3 sequences: 600 of 600 values"),
        (("makalu.examples.digits", "tiny"), "digits on tiny: 16 of 16 held-out images, 16 in numpy's float32"),
        (("makalu.examples.digits.train",), "of 360 held-out images"),
    ],
    ids=" ".join,
)
def test_runs_by_one_command(arguments, said):
    run = command(*arguments)
    assert run.returncode == 0 and not run.stderr, run.stderr
    assert said in run.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("copy", "nope"), 1, "makalu.examples.copy: preset must be one of ["),
        (("gemm", "nowhere.yaml"), 1, "makalu.examples.gemm: preset file nowhere.yaml does not exist"),
        (("digits", "--what"), 1, "usage: python -m makalu.examples.digits [preset]"),
        (("copy", "tiny", "small"), 1, "usage: python -m makalu.examples.copy [preset]"),
        (("gemm", "--help"), 0, "usage: python -m makalu.examples.gemm [preset]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_call_is_one_line(arguments, status, line):
    run = command(f"makalu.examples.{arguments[0]}", *arguments[1:])
    said = run.stderr if status else run.stdout
    assert run.returncode == status and said.startswith(line) and (run.stdout + run.stderr).count("\n") == 1


@pytest.mark.parametrize(("example", "output"), [(gemm_main, "c"), (copy_main, "out")], ids=["gemm", "copy"])
def test_a_wrong_value_is_seen(monkeypatch, example, output):
    right = example.run_golden

    def wrong(*arguments, **options):
        values = right(*arguments, **options)[output].copy()
        values[0, 0] = np.nextafter(values[0, 0], np.float32(np.inf))
        return {output: values}

    assert example.main()
    monkeypatch.setattr(example, "run_golden", wrong)
    assert not example.main()
