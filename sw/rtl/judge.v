// The arithmetic units behind a register for their inputs: combinational logic at a port would be evaluated with each
// edge of the clock, and twice as often as it changes.
module judge #(parameter INPUTS = 1, parameter OUTPUTS = 1) (
    input clk,
    input [INPUTS-1:0] i,
    output [OUTPUTS-1:0] o
);
    reg [INPUTS-1:0] held;
    always @(posedge clk) held <= i;
    dut units (.clk(clk), .rst(1'b0), .i(held), .o(o));
endmodule
