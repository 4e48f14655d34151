// What sw/rtl/lanes/main.cpp expects of a compiled core, written by hand for the `SlicedCopyCore` of test_lanes_host.py:
// CopyCore behind a register in its R channel and one in its registers' AW. -DLANES= cores.

#ifndef MAKALU_TESTS_LANES_MODEL_H
#define MAKALU_TESTS_LANES_MODEL_H

#include <cassert>
#include <cstdint>
#include <cstring>

#ifndef LANES
#define LANES 1
#endif

namespace model {

inline void threads(int) {}


constexpr int kLanes = LANES;
constexpr int kAddressBits = 40, kDataBytes = 8, kInstructionBytes = 8, kIdBits = 4;
constexpr int kObserveBits = 74 + 73 + 82 + 73;

struct Broken {
    const char* text;
    const char* module;
    int instance;
};

inline Broken brokens[kLanes];

struct Beat {
    uint64_t data, resp, last, id;
};

// Ports by the names of the core's, less the port's own: c = control, d = data, i = instructions.
struct Inputs {
    uint64_t c_aw_valid, c_aw_addr, c_w_valid, c_w_data, c_w_strb, c_b_ready, c_ar_valid, c_ar_addr, c_r_ready;
    uint64_t d_aw_ready, d_w_ready, d_b_valid, d_b_resp, d_b_id, d_ar_ready, d_r_valid, i_ar_ready, i_r_valid;
    Beat d_r, i_r;
};

struct Outputs {
    uint64_t c_aw_ready, c_w_ready, c_b_valid, c_ar_ready, c_r_valid, c_r_data, irq;
    uint64_t d_aw_valid, d_aw_addr, d_w_valid, d_w_data, d_w_last, d_b_ready, d_ar_valid, d_r_ready;
    uint64_t i_ar_valid, i_ar_addr, i_r_ready;
};

enum State { kIdle, kFetch, kFetched, kRead, kWrite, kCopy, kAnswer };

struct Registers {
    State state;
    uint64_t program, target, done, cycles, counter, response, b_valid, r_valid, r_data, full, aw_full, aw_addr;
    Beat beat;
};

struct Core {
    Inputs in;
    Outputs out;
    Registers now, next;
};

inline Core cores[kLanes];
constexpr uint64_t kForbidden = 0x3fc0, kMute = 0x7ffc, kControl = 0x008, kInterrupt = 0x010, kCycles = 0x01c, kProgram = 0x100;

inline void restart(int lane, uint64_t) {
    cores[lane].now = cores[lane].next = {};
    brokens[lane] = {};
}

inline void first() {
    for (Core& core : cores) {
        core.now = core.next;
        core.out = {};
        core.out.d_w_valid = core.now.state == kCopy && core.now.full;
    }
}

inline void second() {
    for (Core& core : cores) {
        const Inputs& in = core.in;
        const Registers& now = core.now;
        Outputs& out = core.out;
        Registers& next = core.next;
        out.c_aw_ready = !now.aw_full && now.counter % 2;
        out.c_w_ready = now.aw_full && in.c_w_valid && !now.b_valid && now.aw_addr != kMute;
        out.c_b_valid = now.b_valid;
        out.c_ar_ready = in.c_ar_addr != kMute && !now.r_valid && now.counter % 2;
        out.c_r_valid = now.r_valid;
        out.c_r_data = now.r_data;
        out.irq = now.done;
        out.i_ar_addr = now.program;
        out.i_ar_valid = now.state == kFetch;
        out.i_r_ready = now.state == kFetched;
        out.d_aw_addr = now.target;
        out.d_aw_valid = now.state == kWrite;
        if (out.d_aw_valid && now.target == kForbidden) brokens[&core - cores] = {"nothing is copied there", "core", 0};
        out.d_ar_valid = now.state == kRead;
        out.d_w_data = now.beat.data;
        out.d_w_last = now.beat.last;
        out.d_b_ready = now.state == kAnswer;
        const bool moved = now.state == kCopy && in.d_w_ready;
        out.d_r_ready = !now.full || moved;

        next = now;
        next.counter = (now.counter + 1) % 256;
        next.cycles += now.state != kIdle;
        if (in.c_aw_valid && out.c_aw_ready) next.aw_addr = in.c_aw_addr, next.aw_full = 1;
        if (out.c_w_ready) {
            next.aw_full = 0;
            next.b_valid = 1;
            if (now.aw_addr == kProgram) next.program = in.c_w_data;
            if (now.aw_addr == kControl && now.state == kIdle) next.state = kFetch;
        } else if (in.c_b_ready) {
            next.b_valid = 0;
        }
        if (in.c_ar_valid && out.c_ar_ready) {
            next.r_valid = 1;
            next.r_data = in.c_ar_addr == kInterrupt ? now.done * 2 : in.c_ar_addr == kCycles ? now.cycles : 0;
        } else if (in.c_r_ready) {
            next.r_valid = 0;
        }
        if (in.d_r_valid && out.d_r_ready) next.beat = in.d_r, next.full = 1;
        else if (moved) next.full = 0;
        if (now.state == kFetch && in.i_ar_ready) next.state = kFetched;
        if (now.state == kFetched && in.i_r_valid) next.state = kRead, next.target = in.i_r.data & 0xffffffff;
        if (now.state == kRead && in.d_ar_ready) next.state = kWrite;
        if (now.state == kWrite && in.d_aw_ready) next.state = kCopy;
        if (out.d_w_valid && in.d_w_ready && now.beat.last) next.state = kAnswer;
        if (now.state == kAnswer && in.d_b_valid) next.state = kIdle, next.done = 1, next.response = in.d_b_resp;
    }
}

inline void sample(int lane, uint8_t* row) {
    const Core& core = cores[lane];
    const Inputs& in = core.in;
    std::memset(row, 0, (kObserveBits + 7) / 8);
    int at = 0;
    const auto put = [&](uint64_t value, int bits) {
        for (int i = 0; i < bits; ++i, ++at) row[at / 8] |= (value >> i & 1) << at % 8;
    };
    const auto put_beat = [&](const Beat& beat) {
        put(beat.data, 64), put(beat.resp, 2), put(beat.last, 1), put(beat.id, 4);
    };
    put(core.now.counter, 8), put(core.now.beat.data, 64), put(core.now.response, 2);
    put(in.c_aw_valid, 1), put(in.c_aw_addr, 16), put(in.c_w_valid, 1), put(in.c_w_data, 32), put(in.c_w_strb, 4);
    put(in.c_b_ready, 1), put(in.c_ar_valid, 1), put(in.c_ar_addr, 16), put(in.c_r_ready, 1);
    put(in.d_aw_ready, 1), put(in.d_w_ready, 1), put(in.d_b_valid, 1), put(in.d_b_resp, 2), put(in.d_b_id, 4);
    put(in.d_ar_ready, 1), put(in.d_r_valid, 1), put_beat(in.d_r);
    put(in.i_ar_ready, 1), put(in.i_r_valid, 1), put_beat(in.i_r);
    assert(at == kObserveBits);
}

#define GET(name, value)                                     \
    inline uint64_t get_##name(int lane) {                   \
        [[maybe_unused]] const Outputs& out = cores[lane].out; \
        return value;                                        \
    }
#define SET(name, member) \
    inline void set_##name(int lane, uint64_t value) { cores[lane].in.member = value; }
#define ADDRESS(name, member, beats)                                                \
    GET(name##__valid, out.member##_valid) GET(name##__len, beats - 1) GET(name##__size, 3) \
    GET(name##__burst, 1) GET(name##__id, 0) SET(name##__ready, member##_ready)
#define READ(name, member)                                                                       \
    GET(name##__ready, out.member##_ready) SET(name##__valid, member##_valid)                    \
    SET(name##__resp, member.resp) SET(name##__last, member.last) SET(name##__id, member.id)     \
    inline void set_bytes_##name##__data(int lane, const uint8_t* bytes) {                       \
        std::memcpy(&cores[lane].in.member.data, bytes, kDataBytes);                             \
    }

SET(control__aw__valid, c_aw_valid) SET(control__aw__addr, c_aw_addr) GET(control__aw__ready, out.c_aw_ready)
SET(control__w__valid, c_w_valid) SET(control__w__data, c_w_data) SET(control__w__strb, c_w_strb)
GET(control__w__ready, out.c_w_ready)
SET(control__b__ready, c_b_ready) GET(control__b__valid, out.c_b_valid) GET(control__b__resp, 0)
SET(control__ar__valid, c_ar_valid) SET(control__ar__addr, c_ar_addr) GET(control__ar__ready, out.c_ar_ready)
SET(control__r__ready, c_r_ready) GET(control__r__valid, out.c_r_valid) GET(control__r__data, out.c_r_data)
GET(control__r__resp, 0) GET(irq, out.irq)
ADDRESS(data__aw, d_aw, 4) GET(data__aw__addr, out.d_aw_addr)
ADDRESS(data__ar, d_ar, 4) GET(data__ar__addr, 0)
ADDRESS(instructions__ar, i_ar, 1) GET(instructions__ar__addr, out.i_ar_addr)
READ(data__r, d_r) READ(instructions__r, i_r)
GET(data__w__valid, out.d_w_valid) GET(data__w__strb, 0xff) GET(data__w__last, out.d_w_last)
SET(data__w__ready, d_w_ready)
GET(data__b__ready, out.d_b_ready)
SET(data__b__valid, d_b_valid) SET(data__b__resp, d_b_resp) SET(data__b__id, d_b_id)
inline void get_bytes_data__w__data(int lane, uint8_t* bytes) {
    std::memcpy(bytes, &cores[lane].out.d_w_data, kDataBytes);
}

#undef GET
#undef SET
#undef ADDRESS
#undef READ

}  // namespace model

#endif
