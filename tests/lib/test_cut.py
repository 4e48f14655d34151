"""A part of the core is the core's own wiring, with what is left out as ports."""

import re

import pytest
from amaranth.lib.wiring import SignatureError

from makalu.spec.preset import load_preset
from makalu.sw.rtl.runner import bench_text
from verif.lib.cut import Cut

CONFIG = load_preset("tiny")
DRIVE = ("array.p", "head.wave", "arbiter.psum_command", "sequencer.tensor")
SHOW = ("psum_slice.wave_out", "psum_slice.commit")


def test_ports_are_those_of_the_blocks_left_out_and_what_is_shown():
    cut = Cut(config=CONFIG, blocks=("psum_slice",), drive=DRIVE, show=SHOW)
    text = bench_text(cut)
    ports = set(re.search(r"module dut\((.*?)\);", text, re.DOTALL)[1].replace("\n", "").split(", "))
    streams = {f"sequencer__tensor__{port}" for port in ("valid", "payload", "ready")}
    assert ports == {"clk", "rst", "array__p", "head__wave", "arbiter__psum_command", *streams} | {
        path.replace(".", "__") for path in SHOW
    }
    modules = re.findall(r"(?m)^module (\w+)\(", text)
    assert [name for name in modules if name.startswith("psum_slice")] and not re.search(
        "sbuf|head_|dma_|sequencer_", "".join(modules)
    )
    assert len(re.findall(r"(?m)^  psum_slice\w+ psum_slice \(", text)) == CONFIG.partitions


def test_a_path_must_exist():
    with pytest.raises(AttributeError, match="psum_slices"):
        Cut(config=CONFIG, blocks=("psum_slices",), drive=(), show=())
    with pytest.raises(SignatureError, match="waves"):
        Cut(config=CONFIG, blocks=("psum_slice",), drive=("head.waves",), show=())
