"""The public kernels, where a clone of their repository is given: MAKALU_SDK=FOLDER."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from makalu.sw.cli import public_kernels
from makalu.sw.cli.public_table import PUBLIC
from makalu.sw.kernel.execution import Backend
from makalu.sw.kernel.given import given_arguments
from makalu.sw.results import failed

SDK = os.environ.get("MAKALU_SDK")


@pytest.mark.skipif(SDK is None, reason="MAKALU_SDK names no clone of aws-neuron/aws-neuron-sdk")
def test_kernels_of_the_sdk_run_unmodified_or_are_refused_as_they_should(monkeypatch):
    monkeypatch.setattr(public_kernels, "conclude", lambda *_, **__: None)
    figures = public_kernels.kernels({"sdk": Path(SDK)}, Console(quiet=True), backend=Backend.GOLDEN)
    assert not failed(figures) and sum(f.name.endswith("_cycles") for f in figures) >= 12


def test_the_table_is_sound():
    names = [kernel.name for kernel in PUBLIC]
    assert len(set(names)) == len(names)
    for kernel in PUBLIC:
        assert (kernel.reference is None) != (kernel.refusal is None)
        given_arguments([f"{name}={value}" for name, value in kernel.arguments.items()], 0)
    assert sum(kernel.source == "sdk" and kernel.reference is not None for kernel in PUBLIC) == 15
