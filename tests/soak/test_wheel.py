"""The RTL from an installed wheel: the commands that generate, build and simulate, where there is no checkout."""

import json

import pytest

from tests.packaging.environment import Environment, build_wheel
from tests.packaging.test_wheel import KERNEL


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(build_wheel(tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("simulator", ["verilator", "lanes"])
def test_sim(environment, simulator):
    done = environment.call("sim", "--preset", "tiny", "--simulator", simulator)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((environment.here / "build" / "results" / "sim.json").read_text())["figures"]
    assert {f["name"]: f["value"] for f in figures}["logits_mismatched"] == 0


def test_a_kernel_on_the_rtl(environment):
    (environment.here / "k.py").write_text(KERNEL)
    done = environment.call("run", "k.py::doubled", "--preset", "tiny", "--backend", "rtl", "--arg", "x=4x8:fp32")
    assert done.returncode == 0, done.stdout + done.stderr


def test_scaling(environment):
    done = environment.call("scaling")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (environment.here / "build" / "results" / "scaling.json").is_file()
