"""Entries of the DMA's cocotb benches."""

import pytest

from makalu.sw.rtl.runner import run_bench
from verif.dma.assembly import DmaAssembly
from verif.dma.configs import dma_config

DESCRIPTORS = {"tiny": 30, "wide-bus": 18, "narrow": 10}
ONLY = {"tiny": ["w before aw", "store queue full"], "wide-bus": ["store queue full"], "narrow": []}
"""What the random traffic must show with one configuration, beside what it must show with all."""


@pytest.mark.parametrize("config", DESCRIPTORS)
def test_dma_bench_verilator(config):
    ran = run_bench(
        DmaAssembly(config=dma_config(config)),
        name=f"dma-{config}",
        test_module="verif.dma.test_dma",
        kept=True,
        params={"config": config, "descriptors": DESCRIPTORS[config], "ragged": 30, "far": 4, "points": ONLY[config]},
    )
    assert ran == 7


@pytest.mark.icarus
def test_dma_bench_icarus():
    ran = run_bench(
        DmaAssembly(config=dma_config("tiny")),
        name="dma-tiny",
        test_module="verif.dma.test_dma",
        collisions="x",
        kept=True,
        simulator="icarus",
        params={"config": "tiny", "descriptors": 8, "ragged": 6, "far": 1, "points": []},
    )
    assert ran == 7


@pytest.mark.parametrize("config", ["tiny", "wide-bus"])
def test_dma_outside_slave(config):
    ran = run_bench(
        DmaAssembly(config=dma_config(config)),
        name=f"dma-{config}",
        test_module="verif.dma.test_dma_axi",
        kept=True,
        params={"config": config, "descriptors": 25},
    )
    assert ran == 1
