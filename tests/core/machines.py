"""The cores that the tests of this folder share: each is built once a process, and found again by the next."""

import functools

from makalu.sw.rtl.machine import Machine
from tests.rtl.lanes.machines import lanes_machine
from verif.lib.variants import bench_config

__all__ = ["observed_machine", "quick_machine", "quick_observe", "traced_machine"]


@functools.cache
def traced_machine(preset: str) -> Machine:
    """Issues and finishes alone, built for speed: the machine of `makalu soak` and of the benches."""
    return Machine(config=bench_config(preset), observe="trace", fast=True)


def quick_observe(preset: str) -> str:
    """What `quick_machine` observes: of `tiny` everything, as tests/core/test_lanes.py does: one build less."""
    return "all" if preset == "tiny" else "trace"


def quick_machine(preset: str, kind: type[Machine] = Machine) -> Machine:
    """On lanes, which build and run in a fraction of the time; tests/core/test_lanes.py has them equal to Verilator."""
    return lanes_machine(preset, quick_observe(preset), kind)


@functools.cache
def observed_machine(name: str) -> Machine:
    """Every architectural port of a `bench_config`; registers without reset start at random."""
    return Machine(config=bench_config(name), observe="all")
