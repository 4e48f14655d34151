// Host of `bench` on Icarus: the same script, result file and trace as harness.cpp, but for the trace's rows, which are
// rounded up to 32 bits, the seconds, which are 0, and `progress`, which goes by cycles. Inputs change at the falling
// edge. Waves need vvp's argument -fst.

`timescale 1ns / 1ns

module host;
    parameter ADDRESS_BITS = 40;
    parameter DATA_BYTES = 8;
    parameter INSTRUCTION_BYTES = 8;
    parameter ID_BITS = 4;
    parameter SIZE = 1048576;
    parameter OBSERVE_BITS = 1;

    localparam RESET_CYCLES = 8;
    localparam ANSWER_LIMIT = 10000;
    localparam PROGRESS_CYCLES = 64; // Icarus runs some hundred cycles a second
    localparam ROW_BITS = 32 * ((OBSERVE_BITS + 31) / 32);

    reg clk, rst, dump;
    wire held;
    reg aw_valid, w_valid, b_ready, ar_valid, r_ready;
    reg [15:0] address;
    reg [31:0] data;
    wire aw_ready, w_ready, b_valid, ar_ready, r_valid, irq;
    wire [1:0] b_resp, r_resp;
    wire [31:0] r_data;
    wire [OBSERVE_BITS-1:0] observe;
    reg [ROW_BITS-1:0] row;

    bench #(
        .ADDRESS_BITS(ADDRESS_BITS), .DATA_BYTES(DATA_BYTES), .INSTRUCTION_BYTES(INSTRUCTION_BYTES),
        .ID_BITS(ID_BITS), .SIZE(SIZE), .OBSERVE_BITS(OBSERVE_BITS)
    ) bench (
        .clk(clk), .rst(rst), .held(held), .dump(dump),
        .control_aw_valid(aw_valid), .control_aw_ready(aw_ready), .control_aw_addr(address),
        .control_w_valid(w_valid), .control_w_ready(w_ready), .control_w_data(data), .control_w_strb(4'hf),
        .control_b_valid(b_valid), .control_b_ready(b_ready), .control_b_resp(b_resp),
        .control_ar_valid(ar_valid), .control_ar_ready(ar_ready), .control_ar_addr(address),
        .control_r_valid(r_valid), .control_r_ready(r_ready), .control_r_data(r_data), .control_r_resp(r_resp),
        .irq(irq), .observe(observe)
    );

    integer script, result, trace, got, tries;
    reg [8*1024-1:0] path;
    reg [8*16-1:0] word;
    reg [63:0] first, second, cycle, i, waves_first, waves_end;
    reg aw_taken, w_taken, answered;
    reg [31:0] answer;
    reg [1:0] resp;

    always #1 clk = ~clk;

    always @(posedge clk)
        if (!held) begin
            cycle = cycle + 1;
            if (cycle == waves_end) $dumpoff;
            else if (cycle == waves_first) $dumpon;
            if (trace != 0) begin
                row = observe;
                $fwrite(trace, "%u", row);
            end
        end

    task finish_badly(input [8*32-1:0] what);
        begin
            $display("host: %0s in cycle %0d", what, cycle);
            $finish;
            @(posedge clk); // never further
        end
    endtask

    initial begin
        clk = 1; rst = 1; dump = 0;
        aw_valid = 0; w_valid = 0; b_ready = 0; ar_valid = 0; r_ready = 0;
        address = 0; data = 0; cycle = 0; trace = 0;
        if (!$value$plusargs("script=%s", path)) finish_badly("script");
        script = $fopen(path, "r");
        if (!$value$plusargs("result=%s", path)) finish_badly("result");
        result = $fopen(path, "w");
        if ($value$plusargs("trace=%s", path)) trace = $fopen(path, "wb");
        waves_first = 0; waves_end = 0; // cycle 0 needs no call
        if ($value$plusargs("waves=%s", path)) begin
            got = $value$plusargs("waves_end=%d", waves_end);
            $dumpfile(path);
            $dumpvars(0, bench);
            if ($value$plusargs("waves_first=%d", waves_first)) $dumpoff;
        end
        repeat (RESET_CYCLES) @(negedge clk);
        rst = 0;
        @(negedge clk); // `held` follows
        got = $fscanf(script, "%s %h", word, first);
        while (got == 2) begin
            tries = 0;
            answered = 0;
            address = first;
            if (word == "write") begin
                got = $fscanf(script, "%h", second);
                data = second;
                aw_valid = 1; w_valid = 1; b_ready = 1;
                while (!answered) begin
                    @(posedge clk);
                    aw_taken = aw_valid & aw_ready;
                    w_taken = w_valid & w_ready;
                    answered = b_valid;
                    resp = b_resp;
                    @(negedge clk);
                    if (aw_taken) aw_valid = 0;
                    if (w_taken) w_valid = 0;
                    tries = tries + 1;
                    if (tries == ANSWER_LIMIT) finish_badly("no answer to a write");
                end
                b_ready = 0;
                $fdisplay(result, "write %0h %0h", address, resp);
            end else if (word == "read") begin
                ar_valid = 1; r_ready = 1;
                while (!answered) begin
                    @(posedge clk);
                    aw_taken = ar_valid & ar_ready;
                    answered = r_valid;
                    answer = r_data;
                    resp = r_resp;
                    @(negedge clk);
                    if (aw_taken) ar_valid = 0;
                    tries = tries + 1;
                    if (tries == ANSWER_LIMIT) finish_badly("no answer to a read");
                end
                r_ready = 0;
                $fdisplay(result, "read %0h %0h %0h", address, answer, resp);
            end else if (word == "wait") begin
                i = 0;
                while (i < first && !answered) begin
                    @(posedge clk);
                    answered = irq;
                    @(negedge clk);
                    i = i + 1;
                    if (i % PROGRESS_CYCLES == 0) begin
                        $display("progress %0d", cycle);
                        $fflush;
                    end
                end
                $fdisplay(result, "wait %0d %0d 0", cycle, answered);
            end else finish_badly("unknown line of the script");
            got = $fscanf(script, "%s %h", word, first);
        end
        dump = 1;
        @(negedge clk);
        dump = 0;
        @(negedge clk);
        $fclose(result);
        if (trace != 0) $fclose(trace);
        $finish;
    end
endmodule
