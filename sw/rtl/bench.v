// The core with its memory behind it: what the hosts (harness.cpp for Verilator, host.v for Icarus) drive.
// `observe.vh` is generated: connections of the core's ports `observe...` to slices of `observe`.
// Port names have single underscores because C++ cannot spell double ones.

module bench #(
    parameter ADDRESS_BITS = 40,
    parameter DATA_BYTES = 8,
    parameter INSTRUCTION_BYTES = 8,
    parameter ID_BITS = 4,
    parameter SIZE = 1048576,
    parameter OBSERVE_BITS = 1
) (
    input clk,
    input rst,
    output reg held,
    input dump,
    input control_aw_valid,
    output control_aw_ready,
    input [15:0] control_aw_addr,
    input control_w_valid,
    output control_w_ready,
    input [31:0] control_w_data,
    input [3:0] control_w_strb,
    output control_b_valid,
    input control_b_ready,
    output [1:0] control_b_resp,
    input control_ar_valid,
    output control_ar_ready,
    input [15:0] control_ar_addr,
    output control_r_valid,
    input control_r_ready,
    output [31:0] control_r_data,
    output [1:0] control_r_resp,
    output irq,
    output [OBSERVE_BITS-1:0] observe
);
    wire aw_valid, aw_ready, w_valid, w_ready, w_last, b_valid, b_ready;
    wire ar_valid, ar_ready, r_valid, r_ready, r_last;
    wire iar_valid, iar_ready, ir_valid, ir_ready, ir_last;
    wire [ADDRESS_BITS-1:0] aw_addr, ar_addr, iar_addr;
    wire [7:0] aw_len, ar_len, iar_len;
    wire [2:0] aw_size, ar_size, iar_size;
    wire [1:0] aw_burst, ar_burst, iar_burst, b_resp, r_resp, ir_resp;
    wire [ID_BITS-1:0] aw_id, b_id, ar_id, r_id, iar_id, ir_id;
    wire [8*DATA_BYTES-1:0] w_data, r_data;
    wire [DATA_BYTES-1:0] w_strb;
    wire [8*INSTRUCTION_BYTES-1:0] ir_data;

    // The core's reset, a cycle after the host's: a host's input that reaches every block would have Verilator evaluate
    // all of them once more in each half cycle (a quarter of the time of a whole run).
    initial held = 1'b1;
    always @(posedge clk) held <= rst;

    core core (
        .clk(clk), .rst(held), .irq(irq),
`ifdef OBSERVE
`include "observe.vh"
`endif
        .control__aw__valid(control_aw_valid), .control__aw__ready(control_aw_ready),
        .control__aw__addr(control_aw_addr),
        .control__w__valid(control_w_valid), .control__w__ready(control_w_ready),
        .control__w__data(control_w_data), .control__w__strb(control_w_strb),
        .control__b__valid(control_b_valid), .control__b__ready(control_b_ready),
        .control__b__resp(control_b_resp),
        .control__ar__valid(control_ar_valid), .control__ar__ready(control_ar_ready),
        .control__ar__addr(control_ar_addr),
        .control__r__valid(control_r_valid), .control__r__ready(control_r_ready),
        .control__r__data(control_r_data), .control__r__resp(control_r_resp),
        .data__aw__valid(aw_valid), .data__aw__ready(aw_ready), .data__aw__addr(aw_addr), .data__aw__len(aw_len),
        .data__aw__size(aw_size), .data__aw__burst(aw_burst), .data__aw__id(aw_id),
        .data__w__valid(w_valid), .data__w__ready(w_ready), .data__w__data(w_data), .data__w__strb(w_strb),
        .data__w__last(w_last),
        .data__b__valid(b_valid), .data__b__ready(b_ready), .data__b__resp(b_resp), .data__b__id(b_id),
        .data__ar__valid(ar_valid), .data__ar__ready(ar_ready), .data__ar__addr(ar_addr), .data__ar__len(ar_len),
        .data__ar__size(ar_size), .data__ar__burst(ar_burst), .data__ar__id(ar_id),
        .data__r__valid(r_valid), .data__r__ready(r_ready), .data__r__data(r_data), .data__r__resp(r_resp),
        .data__r__last(r_last), .data__r__id(r_id),
        .instructions__ar__valid(iar_valid), .instructions__ar__ready(iar_ready),
        .instructions__ar__addr(iar_addr), .instructions__ar__len(iar_len), .instructions__ar__size(iar_size),
        .instructions__ar__burst(iar_burst), .instructions__ar__id(iar_id),
        .instructions__r__valid(ir_valid), .instructions__r__ready(ir_ready), .instructions__r__data(ir_data),
        .instructions__r__resp(ir_resp), .instructions__r__last(ir_last), .instructions__r__id(ir_id)
    );
`ifndef OBSERVE
    assign observe = {OBSERVE_BITS{1'b0}};
`endif

    memory #(
        .ADDRESS_BITS(ADDRESS_BITS), .DATA_BYTES(DATA_BYTES), .INSTRUCTION_BYTES(INSTRUCTION_BYTES),
        .ID_BITS(ID_BITS), .SIZE(SIZE)
    ) memory (
        .clk(clk), .rst(held), .dump(dump),
        .data__aw__valid(aw_valid), .data__aw__ready(aw_ready), .data__aw__addr(aw_addr), .data__aw__len(aw_len),
        .data__aw__size(aw_size), .data__aw__burst(aw_burst), .data__aw__id(aw_id),
        .data__w__valid(w_valid), .data__w__ready(w_ready), .data__w__data(w_data), .data__w__strb(w_strb),
        .data__w__last(w_last),
        .data__b__valid(b_valid), .data__b__ready(b_ready), .data__b__resp(b_resp), .data__b__id(b_id),
        .data__ar__valid(ar_valid), .data__ar__ready(ar_ready), .data__ar__addr(ar_addr), .data__ar__len(ar_len),
        .data__ar__size(ar_size), .data__ar__burst(ar_burst), .data__ar__id(ar_id),
        .data__r__valid(r_valid), .data__r__ready(r_ready), .data__r__data(r_data), .data__r__resp(r_resp),
        .data__r__last(r_last), .data__r__id(r_id),
        .instructions__ar__valid(iar_valid), .instructions__ar__ready(iar_ready),
        .instructions__ar__addr(iar_addr), .instructions__ar__len(iar_len), .instructions__ar__size(iar_size),
        .instructions__ar__burst(iar_burst), .instructions__ar__id(iar_id),
        .instructions__r__valid(ir_valid), .instructions__r__ready(ir_ready), .instructions__r__data(ir_data),
        .instructions__r__resp(ir_resp), .instructions__r__last(ir_last), .instructions__r__id(ir_id)
    );
endmodule
