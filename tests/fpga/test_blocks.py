"""A text is cut into its blocks, each with what it instantiates as black boxes."""

import pytest

from makalu.sw.rtl.synthesis import blocks_of

LIBRARY = """
module leaf(clk, a, b);
  input clk;
  input a;
  output b;
  assign b = ~a;
endmodule
module \\leaf.inner (clk, a, b);
  input clk;
  input a;
  output b;
  assign b = a;
endmodule
module \\dut.dma (clk, a, b);
  input clk;
  input a;
  output b;
  leaf one (
    .a(a),
    .b(b)
  );
endmodule
module \\dut.dma.queue (clk, a, b);
  input clk;
  input a;
  output b;
endmodule
module dut(clk, a, b);
  input clk;
  input a;
  output [1:0] b;
  \\dut.dma first (
    .a(a),
    .b(b[0])
  );
  leaf second (
    .a(a),
    .b(b[1])
  );
endmodule
"""


def test_blocks_are_counted_as_often_as_they_are_instantiated():
    blocks = {block.name: block for block in blocks_of(LIBRARY, "dut")}
    assert {name: block.instances for name, block in blocks.items()} == {"dut": 1, "dut.dma": 1, "leaf": 2}
    assert "assign" not in blocks["dut"].text and blocks["dut"].text.count("(* blackbox *)") == 2
    assert "output b;" in blocks["dut"].text
    with pytest.raises(ValueError, match="the top must be a module of the text, not 'chip'"):
        blocks_of(LIBRARY, "chip")
