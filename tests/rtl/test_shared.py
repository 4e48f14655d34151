"""Verilator compiles what a text instantiates several times once."""

import dataclasses
import os
import subprocess

import pytest

from makalu.hw.lib.emit import Emission
from makalu.hw.tensor.tile import PeTile
from makalu.spec.preset import load_preset
from makalu.sw.rtl.shared import DATAFLOW, shared_modules
from makalu.sw.rtl.simulators import WAIVED, environment

TEXT = r"""
module leaf(a, clk, rst, o);
  input clk;
  input rst;
  input signed [3:0] a;
  output o;
endmodule

module \leaf.inner (a);
  input a;
endmodule

module block(a); /* verilator hier_block */
  input [1:0] a;
endmodule

module once(a);
  input a;
endmodule

module top(a);
  leaf leaf_0 (
    .a(a)
  );
  leaf leaf_1 (
    .a(a)
  );
  \leaf.inner  inner (
    .a(a)
  );
  \leaf.inner  \inner$1  (
    .a(a)
  );
  block b_0 (
    .a(a)
  );
  block b_1 (
    .a(a)
  );
  once only (
    .a(a)
  );
endmodule
"""
LEAF = ['no_inline -module "leaf"', 'public_flat_rd -module "leaf" -var "a"']
INNER = ['no_inline -module "leaf.inner"', 'public_flat_rd -module "leaf.inner" -var "a"']
BLOCK = ['no_inline -module "block"', 'public_flat_rd -module "block" -var "a"']


def test_rules_are_for_modules_with_several_instances():
    assert shared_modules(TEXT, hierarchical=False).splitlines() == ["`verilator_config", *LEAF, *INNER, *BLOCK]
    assert shared_modules(TEXT, hierarchical=True).splitlines() == ["`verilator_config", *LEAF, *INNER]


@pytest.mark.slow
def test_a_tile_of_16_pes_needs_hardly_more_cpp_than_one_of_4(tmp_path):
    tensor = load_preset("tiny").tensor

    def cpp_bytes(side, *arguments, shared):
        tile = PeTile(tensor=dataclasses.replace(tensor, rows=side, columns=side, tile=side))
        text = Emission().verilog(tile, name="dut")
        folder = tmp_path / f"{side}-{shared}"
        folder.mkdir()
        (folder / "dut.v").write_text(text)
        control = shared_modules(text if shared else "", hierarchical=False)
        (folder / "shared.vlt").write_text(control)
        waived = [f"-Wno-{name}" for name in WAIVED]
        command = ["verilator", "--cc", "--top-module", "dut", *arguments, *waived, "shared.vlt", "dut.v"]
        subprocess.run(command, cwd=folder, env={**os.environ, **environment()}, check=True, capture_output=True)
        return sum(path.stat().st_size for path in folder.glob("obj_dir/*.cpp"))

    few, many = (cpp_bytes(side, *DATAFLOW, shared=True) for side in (2, 4))
    assert many < 2 * few
    assert cpp_bytes(4, shared=False) > 2.5 * many
