// Memory behind the core's AXI4 ports: the C++ twin of ../memory.v, equal to it in every output of every cycle; and the
// plusargs. The contract is spec/memory.py; names as there. Reset is not simulated: an object starts in cycle 0, and
// a cycle is `answer` (the one path from an input to outputs), then `edge`.

#ifndef MAKALU_LANES_MEMORY_H
#define MAKALU_LANES_MEMORY_H

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Failure : std::runtime_error { using std::runtime_error::runtime_error; };  // a run that cannot go on
struct Closer { void operator()(FILE* file) const { std::fclose(file); } };
using File = std::unique_ptr<FILE, Closer>;
inline File open_file(const std::string& path, const char* mode) { return File{std::fopen(path.c_str(), mode)}; }

// Arguments `+name=value`; of two with the same name the first counts.
class Plusargs {
public:
    explicit Plusargs(std::vector<std::string> all) : all_{std::move(all)} {}

    const char* text(const std::string& name) const {  // null where there is none
        const std::string start = "+" + name + "=";
        for (const std::string& each : all_)
            if (!each.compare(0, start.size(), start)) return each.c_str() + start.size();
        return nullptr;
    }
    template <typename T> bool number(const std::string& name, T& value) const {
        const char* digits = text(name);
        if (digits) value = static_cast<T>(std::strtoll(digits, nullptr, 10));
        return digits;
    }

private:
    std::vector<std::string> all_;
};

struct AxiAddress {
    bool valid = false;
    uint64_t addr = 0;
    uint8_t len = 0, size = 0, burst = 0, id = 0;
};

// Bursts that wait for a channel, the oldest at `head`. Those that left stay in the ring, as in memory.v: B shows them.
struct Bursts {
    struct Burst {
        uint64_t addr = 0, time = 0;
        uint8_t len = 0, id = 0;
        bool bad = false;
    };
    Burst ring[256];
    uint8_t head = 0, tail = 0;  // wrap by their width
    int count = 0;
    unsigned beat = 0;

    const Burst& oldest() const { return ring[head]; }
    void push(const Burst& burst) { ring[tail++] = burst, ++count; }
    void pop() { ++head, --count, beat = 0; }
};

// AR and R of one port; `fresh`: data, resp, last and id may be others than in the cycle before.
template <unsigned kBytes> struct ReadPort {
    alignas(kBytes) uint8_t data[kBytes] = {};
    uint8_t resp = 0, id = 0;
    bool last = false, valid = false, ar_ready = false, fresh = false, held = false, want = false;
    Bursts bursts;
};

template <unsigned kDataBytes, unsigned kInstructionBytes>
class Memory {
public:
    struct Inputs {
        AxiAddress aw, ar, iar;
        bool w_last = false, b_ready = false, r_ready = false, ir_ready = false;
        uint64_t w_strb = 0;
        alignas(kDataBytes) uint8_t w_data[kDataBytes] = {};  // looked at when `w_ready` is set, like strb and last
    };
    static_assert(kDataBytes <= 64, "w_strb has 64 bits");

    ReadPort<kDataBytes> data;
    ReadPort<kInstructionBytes> instructions;
    bool aw_ready = false, w_ready = false, b_valid = false;
    uint8_t b_resp = 0, b_id = 0;

    // `most`: what `+size=` may be.
    Memory(const Plusargs& plus, uint64_t most) {
        int missing = !plus.number("latency", latency_) + !plus.number("numerator", numerator_);
        missing += !plus.number("denominator", cost_) + !plus.number("outstanding_reads", reads_limit_);
        missing += !plus.number("outstanding_writes", writes_limit_);
        missing += !plus.number("outstanding_instructions", instructions_limit_) + !plus.number("size", limit_);
        std::string wrong;
        if (missing || limit_ > most)
            wrong = "memory: " + std::to_string(missing) + " plusargs are missing, or size " + std::to_string(limit_) +
                    " is above " + std::to_string(most) + "\n";
        const char* names[kChannels] = {"aw", "w", "b", "ar", "r", "iar", "ir"};
        for (int i = 0; i < kChannels; ++i) plus.number(std::string{"stall_"} + names[i], stall_[i]);
        uint32_t seed = 1;
        plus.number("stall_seed", seed);
        random_ = kSeed ^ (uint64_t{seed} << 32 | seed);
        if (const char* path = plus.text("log")) log_ = open_file(path, "w");
        if (const char* path = plus.text("dump")) dump_path_ = path;
        std::ifstream image;
        if (const char* path = plus.text("image")) {
            image.open(path, std::ios::binary);
            if (!image) wrong += std::string{"memory: image cannot be opened: "} + path + "\n";
        }
        if (!wrong.empty()) throw Failure(wrong + "harness: the model finished in cycle 0");
        bytes_.resize((limit_ + 3) & ~uint64_t{3});  // memory.v writes whole words of 32 bits
        if (image.is_open()) image.read(reinterpret_cast<char*>(bytes_.data()), bytes_.size());
        cost_ *= kDataBytes;
        tokens_ = kCapBeats * cost_;
        begin();
    }

    // w_ready and the data port's r_valid look at w_valid of the same cycle.
    void answer(bool w_valid) {
        const bool one = tokens_ >= cost_, two = tokens_ >= 2 * cost_, want_w = w_open_ && w_valid;
        grant_r_ = data.want && (two || (one && (!want_w || last_was_write_)));
        w_ready = want_w && (two || (one && (!data.want || !last_was_write_)));
        data.valid = data.held || grant_r_;
    }

    // The clock edge at the end of a cycle; afterwards the outputs are those of the next one, but for `answer`'s.
    void edge(const Inputs& in) {
        if (w_ready) write_beat(in);  // first: it belongs to a burst that was accepted before
        b_held_ = b_valid && !in.b_ready;
        if (b_valid && in.b_ready) {
            log("b", b_id, 0, 0, false);
            answers_.pop();
            --writes_open_;
        }
        if (in.aw.valid && aw_ready) {
            log("aw", in.aw.id, in.aw.addr, in.aw.len, false);
            writes_.push(burst<kDataBytes>(in.aw));
            ++writes_open_;
        }
        read_edge(data, in.ar, in.r_ready, "r", "ar");
        read_edge(instructions, in.iar, in.ir_ready, "ir", "iar");
        tokens_ = std::min(tokens_ - cost_ * (grant_r_ + w_ready) + numerator_, kCapBeats * cost_);
        if (grant_r_ != w_ready) last_was_write_ = w_ready;
        ++now_;
        random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;  // xorshift64
        begin();
    }

    // After an edge: W of that cycle is in it.
    void dump() {
        if (log_) std::fflush(log_.get());
        const File file = open_file(dump_path_, "wb");
        if (file) std::fwrite(bytes_.data(), 1, bytes_.size(), file.get());
    }

private:
    enum Channel { kAw, kW, kB, kAr, kR, kIar, kIr, kChannels };
    static constexpr uint8_t kOkay = 0, kSlverr = 2, kIncr = 1;
    static constexpr int64_t kCapBeats = 2;
    static constexpr uint64_t kSeed = 0x9E3779B97F4A7C15;

    uint64_t latency_ = 0, limit_ = 0;
    int64_t numerator_ = 0, cost_ = 0, tokens_ = 0;
    int reads_limit_ = 0, writes_limit_ = 0, instructions_limit_ = 0, writes_open_ = 0;
    uint8_t stall_[kChannels] = {};
    std::vector<uint8_t> bytes_;
    File log_;
    std::string dump_path_;
    uint64_t now_ = 0, random_ = 0;
    bool last_was_write_ = true, w_open_ = false, grant_r_ = false, w_error_ = false, b_held_ = false;
    Bursts writes_, answers_;

    bool moves(Channel channel) const { return static_cast<uint8_t>(random_ >> (8 * channel)) >= stall_[channel]; }
    void log(const char* channel, unsigned id, uint64_t addr, unsigned len, bool last) {
        if (log_) std::fprintf(log_.get(), "%" PRIu64 " %s %u %" PRIx64 " %u %d\n", now_, channel, id, addr, len, last);
    }
    template <unsigned kBytes> Bursts::Burst burst(const AxiAddress& a) const {
        const bool bad = a.burst != kIncr || 1u << a.size != kBytes;
        return {a.addr & ~uint64_t{kBytes - 1}, now_ + 1 + latency_, a.len, a.id, bad};
    }
    bool outside(uint64_t place, unsigned bytes) const { return limit_ < bytes || place > limit_ - bytes; }
    void write_beat(const Inputs& in) {
        const Bursts::Burst& burst = writes_.oldest();
        const uint64_t place = burst.addr + writes_.beat * kDataBytes;
        const bool wrong = burst.bad || outside(place, kDataBytes), ends = writes_.beat == burst.len;
        if (!wrong && in.w_strb == ~uint64_t{0} >> (64 - kDataBytes)) {
            std::memcpy(&bytes_[place], in.w_data, kDataBytes);
        } else if (!wrong) {
            for (unsigned i = 0; i < kDataBytes; ++i)
                if (in.w_strb >> i & 1) bytes_[place + i] = in.w_data[i];
        }
        w_error_ |= wrong || in.w_last != ends;
        log("w", 0, 0, 0, in.w_last);
        ++writes_.beat;
        if (!ends) return;
        answers_.push({0, now_ + 1 + latency_, 0, burst.id, w_error_});
        writes_.pop();
        w_error_ = false;
    }
    template <unsigned kBytes>
    void read_edge(ReadPort<kBytes>& port, const AxiAddress& ar, bool ready, const char* beats, const char* addresses) {
        port.held = port.valid && !ready;
        if (port.valid && ready) {
            log(beats, port.id, 0, 0, port.last);
            ++port.bursts.beat;
            if (port.last) port.bursts.pop();
        }
        if (ar.valid && port.ar_ready) {
            log(addresses, ar.id, ar.addr, ar.len, false);
            port.bursts.push(burst<kBytes>(ar));
        }
    }

    // Outputs of the cycle that begins now.
    void begin() {
        aw_ready = writes_open_ < writes_limit_ && moves(kAw);
        w_open_ = writes_.count && moves(kW);
        const Bursts::Burst& answer = answers_.oldest();
        b_valid = answers_.count && now_ >= answer.time && (b_held_ || moves(kB));
        b_resp = answer.bad ? kSlverr : kOkay;
        b_id = answer.id;
        begin_reads(data, reads_limit_, kAr, kR);
        begin_reads(instructions, instructions_limit_, kIar, kIr);
        instructions.valid = instructions.held || instructions.want;
    }

    template <unsigned kBytes>
    void begin_reads(ReadPort<kBytes>& port, int outstanding, Channel addresses, Channel beats) {
        port.ar_ready = port.bursts.count < outstanding && moves(addresses);
        const Bursts::Burst& burst = port.bursts.oldest();
        // a beat that is held must not be offered, nor charged, again
        const bool offer = port.bursts.count && now_ >= burst.time && !port.held;
        port.want = offer && moves(beats);
        port.fresh = offer || !now_;
        if (!offer) return;
        const uint64_t place = burst.addr + port.bursts.beat * kBytes;
        const bool wrong = burst.bad || outside(place, kBytes);
        if (wrong) std::memset(port.data, 0, kBytes);
        else std::memcpy(port.data, &bytes_[place], kBytes);
        port.resp = wrong ? kSlverr : kOkay;
        port.last = port.bursts.beat == burst.len;
        port.id = burst.id;
    }
};

#endif
