"""The cores that the tests of this folder share: each is built once a process, and found again by the next."""

import functools

from makalu.sw.rtl.machine import Machine
from verif.lib.variants import bench_config

__all__ = ["observed_machine", "quick_machine", "traced_machine"]


@functools.cache
def traced_machine(preset: str) -> Machine:
    """Issues and finishes alone, built for speed: the machine of `makalu soak` and of the benches."""
    return Machine(config=bench_config(preset), observe="trace", fast=True)


@functools.cache
def quick_machine(preset: str) -> Machine:
    """The same on lanes, which build and run in a fraction of the time; tests/core/test_lanes.py has them equal."""
    return Machine(config=bench_config(preset), simulator="lanes", observe="trace")


@functools.cache
def observed_machine(name: str) -> Machine:
    """Every architectural port of a `bench_config`; registers without reset start at random."""
    return Machine(config=bench_config(name), observe="all")
