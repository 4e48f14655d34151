// Memory behind the core's AXI4 ports. The contract, cycle by cycle, is spec/memory.py; names as there.
//
// Everything that another module sees is assigned without blocking; the state inside is assigned with blocking, so that
// a beat's data can be read in the same edge that writes the array: r_data shows the head beat of the next cycle.
//
// Plusargs (all needed but the last five): +latency= +numerator= +denominator= +outstanding_reads= +outstanding_writes=
// +outstanding_instructions= +size= (bytes in range, at most SIZE); +stall_aw= ... +stall_ir= (in 1/256), +stall_seed=,
// +image= (raw bytes), +log= (handshakes), +dump= (raw bytes, written in the edge that sees `dump` high).

// counts and addresses of many widths meet here; no bit of a port depends on how they are extended
/* verilator lint_off WIDTH */
module memory #(
    parameter ADDRESS_BITS = 40,
    parameter DATA_BYTES = 8,
    parameter INSTRUCTION_BYTES = 8,
    parameter ID_BITS = 4,
    parameter SIZE = 1048576
) (
    input clk,
    input rst,
    input dump,

    input data__aw__valid,
    output data__aw__ready,
    input [ADDRESS_BITS-1:0] data__aw__addr,
    input [7:0] data__aw__len,
    input [2:0] data__aw__size,
    input [1:0] data__aw__burst,
    input [ID_BITS-1:0] data__aw__id,

    input data__w__valid,
    output data__w__ready,
    input [8*DATA_BYTES-1:0] data__w__data,
    input [DATA_BYTES-1:0] data__w__strb,
    input data__w__last,

    output data__b__valid,
    input data__b__ready,
    output [1:0] data__b__resp,
    output [ID_BITS-1:0] data__b__id,

    input data__ar__valid,
    output data__ar__ready,
    input [ADDRESS_BITS-1:0] data__ar__addr,
    input [7:0] data__ar__len,
    input [2:0] data__ar__size,
    input [1:0] data__ar__burst,
    input [ID_BITS-1:0] data__ar__id,

    output data__r__valid,
    input data__r__ready,
    output [8*DATA_BYTES-1:0] data__r__data,
    output [1:0] data__r__resp,
    output data__r__last,
    output [ID_BITS-1:0] data__r__id,

    input instructions__ar__valid,
    output instructions__ar__ready,
    input [ADDRESS_BITS-1:0] instructions__ar__addr,
    input [7:0] instructions__ar__len,
    input [2:0] instructions__ar__size,
    input [1:0] instructions__ar__burst,
    input [ID_BITS-1:0] instructions__ar__id,

    output instructions__r__valid,
    input instructions__r__ready,
    output [8*INSTRUCTION_BYTES-1:0] instructions__r__data,
    output [1:0] instructions__r__resp,
    output instructions__r__last,
    output [ID_BITS-1:0] instructions__r__id
);
    localparam DEPTH = 256;
    localparam [1:0] OKAY = 2'd0, SLVERR = 2'd2, INCR = 2'd1;
    localparam CAP_BEATS = 2;
    localparam DATA_SIZE = $clog2(DATA_BYTES);
    localparam INSTRUCTION_SIZE = $clog2(INSTRUCTION_BYTES);
    localparam AW = 0, W = 1, B = 2, AR = 3, R = 4, IAR = 5, IR = 6, CHANNELS = 7;
    localparam [63:0] SEED = 64'h9E3779B97F4A7C15;

    // settings
    integer latency, numerator, denominator, reads_limit, writes_limit, instructions_limit;
    reg [63:0] limit;
    reg [7:0] stall_probability [0:CHANNELS-1];
    integer probability;
    integer seed;
    reg [8*1024-1:0] image_path, dump_path, log_path;
    integer log_file, dump_file, image_file, got, missing;

    // two states on Verilator, which would otherwise draw a random number for every byte: a second of each start. None of
    // them is ever seen: the block below writes what is in range, and what is not is not read.
`ifdef VERILATOR
    bit [7:0] bytes [0:SIZE-1];
`else
    reg [7:0] bytes [0:SIZE-1];
`endif

    // state inside, assigned with blocking
    reg [63:0] now;
    reg [63:0] random;
    integer tokens, cost;
    reg last_was_write;
    reg [63:0] r_addr [0:DEPTH-1], r_time [0:DEPTH-1], i_addr [0:DEPTH-1], i_time [0:DEPTH-1];
    reg [63:0] w_addr [0:DEPTH-1], b_time [0:DEPTH-1];
    reg [7:0] r_len [0:DEPTH-1], i_len [0:DEPTH-1], w_len [0:DEPTH-1];
    reg [ID_BITS-1:0] r_id [0:DEPTH-1], i_id [0:DEPTH-1], w_id [0:DEPTH-1], b_id [0:DEPTH-1];
    reg r_bad [0:DEPTH-1], i_bad [0:DEPTH-1], w_bad [0:DEPTH-1], b_bad [0:DEPTH-1];
    reg [7:0] r_head, r_tail, i_head, i_tail, w_head, w_tail, b_head, b_tail;
    integer r_count, i_count, w_count, b_count, writes_open;
    reg [8:0] r_beat, i_beat, w_beat;
    reg w_error;
    reg [63:0] place;
    reg outside;
    reg [8*DATA_BYTES-1:0] beat_data;
    reg [8*INSTRUCTION_BYTES-1:0] instruction_data;
    integer i;

    // what the outside sees, assigned without blocking
    reg s_aw_ready, s_ar_ready, s_iar_ready, s_b_valid, s_w_open;
    reg s_r_held, s_r_want, s_ir_held, s_ir_want;
    reg s_fits_one, s_fits_two, s_last_was_write;
    reg [8*DATA_BYTES-1:0] s_r_data;
    reg [8*INSTRUCTION_BYTES-1:0] s_ir_data;
    reg [1:0] s_r_resp, s_ir_resp, s_b_resp;
    reg s_r_last, s_ir_last;
    reg [ID_BITS-1:0] s_r_id, s_ir_id, s_b_id;

    wire want_w = s_w_open & data__w__valid;
    wire grant_r = s_r_want & (s_fits_two | (s_fits_one & (~want_w | s_last_was_write)));
    wire grant_w = want_w & (s_fits_two | (s_fits_one & (~s_r_want | ~s_last_was_write)));

    assign data__aw__ready = s_aw_ready & ~rst;
    assign data__w__ready = grant_w & ~rst;
    assign data__b__valid = s_b_valid & ~rst;
    assign data__b__resp = s_b_resp;
    assign data__b__id = s_b_id;
    assign data__ar__ready = s_ar_ready & ~rst;
    assign data__r__valid = (s_r_held | grant_r) & ~rst;
    assign data__r__data = s_r_data;
    assign data__r__resp = s_r_resp;
    assign data__r__last = s_r_last;
    assign data__r__id = s_r_id;
    assign instructions__ar__ready = s_iar_ready & ~rst;
    assign instructions__r__valid = (s_ir_held | s_ir_want) & ~rst;
    assign instructions__r__data = s_ir_data;
    assign instructions__r__resp = s_ir_resp;
    assign instructions__r__last = s_ir_last;
    assign instructions__r__id = s_ir_id;

    initial begin
        missing = 0;
        if (!$value$plusargs("latency=%d", latency)) missing = missing + 1;
        if (!$value$plusargs("numerator=%d", numerator)) missing = missing + 1;
        if (!$value$plusargs("denominator=%d", denominator)) missing = missing + 1;
        if (!$value$plusargs("outstanding_reads=%d", reads_limit)) missing = missing + 1;
        if (!$value$plusargs("outstanding_writes=%d", writes_limit)) missing = missing + 1;
        if (!$value$plusargs("outstanding_instructions=%d", instructions_limit)) missing = missing + 1;
        if (!$value$plusargs("size=%d", limit)) missing = missing + 1;
        if (missing != 0 || limit > SIZE) begin
            $display("memory: %0d plusargs are missing, or size %0d is above %0d", missing, limit, SIZE);
            $finish;
        end
        if (!$value$plusargs("stall_aw=%d", probability)) probability = 0;
        stall_probability[AW] = probability;
        if (!$value$plusargs("stall_w=%d", probability)) probability = 0;
        stall_probability[W] = probability;
        if (!$value$plusargs("stall_b=%d", probability)) probability = 0;
        stall_probability[B] = probability;
        if (!$value$plusargs("stall_ar=%d", probability)) probability = 0;
        stall_probability[AR] = probability;
        if (!$value$plusargs("stall_r=%d", probability)) probability = 0;
        stall_probability[R] = probability;
        if (!$value$plusargs("stall_iar=%d", probability)) probability = 0;
        stall_probability[IAR] = probability;
        if (!$value$plusargs("stall_ir=%d", probability)) probability = 0;
        stall_probability[IR] = probability;
        if (!$value$plusargs("stall_seed=%d", seed)) seed = 1;
        log_file = 0;
        if ($value$plusargs("log=%s", log_path)) log_file = $fopen(log_path, "w");
        got = 0;
        if ($value$plusargs("image=%s", image_path)) begin
            image_file = $fopen(image_path, "rb");
            if (image_file == 0) begin
                $display("memory: image cannot be opened: %0s", image_path);
                $finish;
            end
            got = $fread(bytes, image_file);
            $fclose(image_file);
        end
        for (i = got; i < limit; i = i + 1) bytes[i] = 8'd0;
    end

    // xorshift64: the same numbers on every simulator
    function [63:0] shuffle(input [63:0] x);
        begin
            shuffle = x ^ (x << 13);
            shuffle = shuffle ^ (shuffle >> 7);
            shuffle = shuffle ^ (shuffle << 17);
        end
    endfunction

    task write_log(input [8*3-1:0] channel, input [ID_BITS-1:0] id, input [63:0] addr, input [7:0] len, input last);
        if (log_file != 0) $fdisplay(log_file, "%0d %0s %0d %0h %0d %0d", now, channel, id, addr, len, last);
    endtask

    always @(posedge clk) begin
        cost = DATA_BYTES * denominator;
        if (rst) begin
            now = 0;
            random = SEED ^ {seed, seed};
            tokens = CAP_BEATS * cost;
            last_was_write = 1;
            r_head = 0; r_tail = 0; r_count = 0; r_beat = 0;
            i_head = 0; i_tail = 0; i_count = 0; i_beat = 0;
            w_head = 0; w_tail = 0; w_count = 0; w_beat = 0;
            b_head = 0; b_tail = 0; b_count = 0;
            writes_open = 0;
            w_error = 0;
            s_r_held <= 0;
            s_ir_held <= 0;
        end else begin
            // W first: it belongs to a burst that was accepted before
            if (data__w__valid & data__w__ready) begin
                place = w_addr[w_head] + w_beat * DATA_BYTES;
                outside = place + DATA_BYTES > limit;
                if (!outside && !w_bad[w_head])
                    for (i = 0; i < DATA_BYTES; i = i + 1)
                        if (data__w__strb[i]) bytes[place + i] = data__w__data[8*i +: 8];
                w_error = w_error | outside | w_bad[w_head] | (data__w__last != (w_beat == {1'b0, w_len[w_head]}));
                write_log("w", 0, 0, 0, data__w__last);
                if (w_beat == {1'b0, w_len[w_head]}) begin
                    b_time[b_tail] = now + 1 + latency;
                    b_id[b_tail] = w_id[w_head];
                    b_bad[b_tail] = w_error;
                    b_tail = b_tail + 1;
                    b_count = b_count + 1;
                    w_head = w_head + 1;
                    w_count = w_count - 1;
                    w_beat = 0;
                    w_error = 0;
                end else w_beat = w_beat + 1;
            end
            if (data__b__valid & data__b__ready) begin
                write_log("b", data__b__id, 0, 0, 0);
                b_head = b_head + 1;
                b_count = b_count - 1;
                writes_open = writes_open - 1;
            end
            if (data__aw__valid & data__aw__ready) begin
                write_log("aw", data__aw__id, data__aw__addr, data__aw__len, 0);
                w_addr[w_tail] = data__aw__addr & ~(DATA_BYTES - 64'd1);
                w_len[w_tail] = data__aw__len;
                w_id[w_tail] = data__aw__id;
                w_bad[w_tail] = data__aw__burst != INCR || data__aw__size != DATA_SIZE;
                w_tail = w_tail + 1;
                w_count = w_count + 1;
                writes_open = writes_open + 1;
            end
            if (data__r__valid & data__r__ready) begin
                write_log("r", data__r__id, 0, 0, data__r__last);
                if (data__r__last) begin
                    r_head = r_head + 1;
                    r_count = r_count - 1;
                    r_beat = 0;
                end else r_beat = r_beat + 1;
            end
            if (data__ar__valid & data__ar__ready) begin
                write_log("ar", data__ar__id, data__ar__addr, data__ar__len, 0);
                r_addr[r_tail] = data__ar__addr & ~(DATA_BYTES - 64'd1);
                r_time[r_tail] = now + 1 + latency;
                r_len[r_tail] = data__ar__len;
                r_id[r_tail] = data__ar__id;
                r_bad[r_tail] = data__ar__burst != INCR || data__ar__size != DATA_SIZE;
                r_tail = r_tail + 1;
                r_count = r_count + 1;
            end
            if (instructions__r__valid & instructions__r__ready) begin
                write_log("ir", instructions__r__id, 0, 0, instructions__r__last);
                if (instructions__r__last) begin
                    i_head = i_head + 1;
                    i_count = i_count - 1;
                    i_beat = 0;
                end else i_beat = i_beat + 1;
            end
            if (instructions__ar__valid & instructions__ar__ready) begin
                write_log("iar", instructions__ar__id, instructions__ar__addr, instructions__ar__len, 0);
                i_addr[i_tail] = instructions__ar__addr & ~(INSTRUCTION_BYTES - 64'd1);
                i_time[i_tail] = now + 1 + latency;
                i_len[i_tail] = instructions__ar__len;
                i_id[i_tail] = instructions__ar__id;
                i_bad[i_tail] = instructions__ar__burst != INCR || instructions__ar__size != INSTRUCTION_SIZE;
                i_tail = i_tail + 1;
                i_count = i_count + 1;
            end
            s_r_held <= data__r__valid & ~data__r__ready;
            s_ir_held <= instructions__r__valid & ~instructions__r__ready;

            tokens = tokens - (grant_r ? cost : 0) - (grant_w ? cost : 0) + numerator;
            if (tokens > CAP_BEATS * cost) tokens = CAP_BEATS * cost;
            if (grant_r != grant_w) last_was_write = grant_w;
            now = now + 1;
            random = shuffle(random);
        end

        // the cycle that begins now
        s_last_was_write <= last_was_write;
        s_fits_one <= tokens >= cost;
        s_fits_two <= tokens >= 2 * cost;
        s_aw_ready <= writes_open < writes_limit && random[8*AW +: 8] >= stall_probability[AW];
        s_ar_ready <= r_count < reads_limit && random[8*AR +: 8] >= stall_probability[AR];
        s_iar_ready <= i_count < instructions_limit && random[8*IAR +: 8] >= stall_probability[IAR];
        s_w_open <= w_count != 0 && random[8*W +: 8] >= stall_probability[W];
        s_b_valid <= b_count != 0 && now >= b_time[b_head]
            && ((data__b__valid & ~data__b__ready) || random[8*B +: 8] >= stall_probability[B]);
        s_b_resp <= b_bad[b_head] ? SLVERR : OKAY;
        s_b_id <= b_id[b_head];

        // a beat that is held must not be offered, nor charged, again
        s_r_want <= r_count != 0 && now >= r_time[r_head] && random[8*R +: 8] >= stall_probability[R]
            && (rst || !(data__r__valid & ~data__r__ready));
        s_ir_want <= i_count != 0 && now >= i_time[i_head] && random[8*IR +: 8] >= stall_probability[IR]
            && (rst || !(instructions__r__valid & ~instructions__r__ready));
        if (r_count != 0 && now >= r_time[r_head] && (rst || !(data__r__valid & ~data__r__ready))) begin
            place = r_addr[r_head] + r_beat * DATA_BYTES;
            outside = place + DATA_BYTES > limit;
            beat_data = 0;
            if (!outside && !r_bad[r_head])
                for (i = 0; i < DATA_BYTES; i = i + 1) beat_data[8*i +: 8] = bytes[place + i];
            s_r_data <= beat_data;
            s_r_resp <= outside || r_bad[r_head] ? SLVERR : OKAY;
            s_r_last <= r_beat == {1'b0, r_len[r_head]};
            s_r_id <= r_id[r_head];
        end
        if (i_count != 0 && now >= i_time[i_head] && (rst || !(instructions__r__valid & ~instructions__r__ready))) begin
            place = i_addr[i_head] + i_beat * INSTRUCTION_BYTES;
            outside = place + INSTRUCTION_BYTES > limit;
            instruction_data = 0;
            if (!outside && !i_bad[i_head])
                for (i = 0; i < INSTRUCTION_BYTES; i = i + 1) instruction_data[8*i +: 8] = bytes[place + i];
            s_ir_data <= instruction_data;
            s_ir_resp <= outside || i_bad[i_head] ? SLVERR : OKAY;
            s_ir_last <= i_beat == {1'b0, i_len[i_head]};
            s_ir_id <= i_id[i_head];
        end

        if (dump) begin
            if (log_file != 0) $fflush(log_file);
            if ($value$plusargs("dump=%s", dump_path)) begin
                dump_file = $fopen(dump_path, "wb");
                for (i = 0; i < limit; i = i + 4)
                    $fwrite(dump_file, "%u", {bytes[i + 3], bytes[i + 2], bytes[i + 1], bytes[i]});
                $fclose(dump_file);
            end
        end
    end
endmodule
/* verilator lint_on WIDTH */
