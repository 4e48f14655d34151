// memory.h against the Verilated memory.v: the same random traffic into both, every output compared in every cycle.
// Traffic is what a master may do and what it may not: bursts past the end, of a wrong kind or size, W ahead of its AW,
// a wrong WLAST, a VALID that goes away. Every kPhase cycles each channel becomes busier or quieter, or stops.
// Plusargs: memory.v's and +cycles= +traffic= (seed). The twin's log and dump have `.twin` behind their names.
// stdout: `cycles N` and counts, or the first difference with exit code 1.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "Vmemory.h"
#include "memory.h"
#include "verilated.h"

// Verilator's spelling of two underscores
#define PORT(port, channel, name) top_->port##___05F##channel##___05F##name

namespace {

using Twin = Memory<DATA_BYTES, INSTRUCTION_BYTES>;
constexpr int kResetCycles = 3;
constexpr uint64_t kPhase = 500;
constexpr unsigned kCertain = 256;

class Bench {
public:
    Bench(VerilatedContext* context, const Plusargs& plus, const Plusargs& twin)
        : context_{context}, top_{new Vmemory{context}}, twin_{twin, SIZE} {
        plus.number("cycles", cycles_);
        plus.number("traffic", random_);
        plus.number("size", size_);
        top_->rst = 1;
        for (int i = 0; i < kResetCycles; ++i) edge();
        top_->rst = 0;
    }

    bool run() {
        for (cycle_ = 0; cycle_ < cycles_; ++cycle_) {
            if (cycle_ % kPhase == 0) phase();
            drive();
            top_->dump = cycle_ == cycles_ - 1;
            top_->clk = 0;
            top_->eval();
            twin_.answer(PORT(data, w, valid));
            compare();
            if (wrong_) return false;
            count();
            twin_.edge(in_);
            edge();
        }
        twin_.dump();
        std::printf("cycles %" PRIu64 " w %u b %u aw %u ar %u r %u iar %u ir %u both %u early %u slverr %u held %u\n",
                    cycles_, w_, b_, aw_, ar_, r_, iar_, ir_, both_, early_, slverr_, held_);
        return true;
    }

private:
    VerilatedContext* context_;
    std::unique_ptr<Vmemory> top_;
    Twin twin_;
    Twin::Inputs in_;
    uint64_t cycles_ = 1000, cycle_ = 0, size_ = 0, random_ = 1;
    bool wrong_ = false;
    unsigned w_ = 0, b_ = 0, aw_ = 0, ar_ = 0, r_ = 0, iar_ = 0, ir_ = 0;
    unsigned both_ = 0, early_ = 0, slverr_ = 0, held_ = 0;
    unsigned chance_[7] = {};  // of 256: aw, w, b, ar, r, iar, ir
    std::deque<unsigned> bursts_;  // beats of the bursts that were accepted, the first one's what is left of it
    bool aw_moved_ = true, w_moved_ = true, ar_moved_ = true, iar_moved_ = true;

    unsigned next(unsigned below) {  // PCG's multiplier: not the generator under test
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<unsigned>((random_ >> 33) % below);
    }
    bool happens(unsigned of_256) { return next(kCertain) < of_256; }

    void phase() {
        constexpr unsigned kChances[] = {0, 20, 128, 240, kCertain, kCertain};
        for (unsigned& chance : chance_) chance = cycle_ ? kChances[next(6)] : kCertain;  // R and W meet early
    }

    void edge() {
        top_->clk = 0;
        top_->eval();
        top_->clk = 1;
        top_->eval();
    }

    void drive(AxiAddress& a, unsigned bytes, unsigned chance, bool taken) {
        if (a.valid && !taken && !happens(3)) return;
        a.valid = happens(chance);
        a.addr = next(static_cast<unsigned>(size_));
        if (happens(30)) a.addr = size_ - next(4 * bytes);
        if (happens(8)) a.addr += uint64_t{next(256)} << 32;
        a.len = static_cast<uint8_t>(happens(20) ? next(256) : next(6));
        a.size = static_cast<uint8_t>(__builtin_ctz(bytes));
        a.burst = 1;
        if (happens(12)) a.size = next(8);
        if (happens(12)) a.burst = next(4);
        a.id = static_cast<uint8_t>(next(16));
    }

    // Inputs of the next cycle; outputs still show the last one.
    void drive() {
        drive(in_.aw, DATA_BYTES, chance_[0], aw_moved_);
        drive(in_.ar, DATA_BYTES, chance_[3], ar_moved_);
        drive(in_.iar, INSTRUCTION_BYTES, chance_[5], iar_moved_);
        if (w_moved_ || happens(3)) {
            PORT(data, w, valid) = happens(chance_[1]);
            for (uint8_t& byte : in_.w_data) byte = static_cast<uint8_t>(next(256));
            const uint64_t all = ~uint64_t{0} >> (64 - DATA_BYTES);
            in_.w_strb = happens(128) ? all : happens(200) ? (uint64_t{next(1u << 31)} * next(1u << 31)) & all : 0;
        }
        in_.w_last = (!bursts_.empty() && bursts_.front() == 1) != happens(3);
        in_.b_ready = happens(chance_[2]);
        in_.r_ready = happens(chance_[4]);
        in_.ir_ready = happens(chance_[6]);
#define ADDRESS(port, channel, a)                                                                      \
    PORT(port, channel, valid) = a.valid, PORT(port, channel, addr) = a.addr,                          \
    PORT(port, channel, len) = a.len, PORT(port, channel, size) = a.size,                              \
    PORT(port, channel, burst) = a.burst, PORT(port, channel, id) = a.id
        ADDRESS(data, aw, in_.aw);
        ADDRESS(data, ar, in_.ar);
        ADDRESS(instructions, ar, in_.iar);
        std::memcpy(&PORT(data, w, data), in_.w_data, DATA_BYTES);
        PORT(data, w, strb) = in_.w_strb;
        PORT(data, w, last) = in_.w_last;
        PORT(data, b, ready) = in_.b_ready;
        PORT(data, r, ready) = in_.r_ready;
        PORT(instructions, r, ready) = in_.ir_ready;
    }

    void same(const char* name, uint64_t expected, uint64_t found) {
        if (expected == found) return;
        std::printf("cycle %" PRIu64 ": %s is %" PRIu64 ", not %" PRIu64 "\n", cycle_, name, found, expected);
        wrong_ = true;
    }

    void compare() {
        same("aw_ready", PORT(data, aw, ready), twin_.aw_ready);
        same("w_ready", PORT(data, w, ready), twin_.w_ready);
        same("b_valid", PORT(data, b, valid), twin_.b_valid);
        same("b_resp", PORT(data, b, resp), twin_.b_resp);
        same("b_id", PORT(data, b, id), twin_.b_id);
        const auto read = [this](const auto& port, uint64_t ar_ready, uint64_t valid, const void* data, uint64_t resp,
                                 uint64_t last, uint64_t id) {
            same("ar_ready", ar_ready, port.ar_ready);
            same("r_valid", valid, port.valid);
            same("r_data's difference", std::memcmp(port.data, data, sizeof port.data), 0);
            same("r_resp", resp, port.resp);
            same("r_last", last, port.last);
            same("r_id", id, port.id);
        };
#define READ(port)                                                                                     \
    PORT(port, ar, ready), PORT(port, r, valid), &PORT(port, r, data), PORT(port, r, resp),            \
    PORT(port, r, last), PORT(port, r, id)
        read(twin_.data, READ(data));
        read(twin_.instructions, READ(instructions));
    }

    void count() {
        const bool w = twin_.w_ready, r = twin_.data.valid && in_.r_ready;
        const bool b = twin_.b_valid && in_.b_ready, ir = twin_.instructions.valid && in_.ir_ready;
        early_ += PORT(data, w, valid) && bursts_.empty();
        w_moved_ = w;
        if (w && --bursts_.front() == 0) bursts_.pop_front();
        aw_moved_ = in_.aw.valid && twin_.aw_ready;
        ar_moved_ = in_.ar.valid && twin_.data.ar_ready;
        iar_moved_ = in_.iar.valid && twin_.instructions.ar_ready;
        if (aw_moved_) bursts_.push_back(in_.aw.len + 1u);
        w_ += w, b_ += b, aw_ += aw_moved_, ar_ += ar_moved_, r_ += r, iar_ += iar_moved_, ir_ += ir;
        both_ += w && r;
        held_ += twin_.data.valid && !in_.r_ready;
        slverr_ += (r && twin_.data.resp == 2) + (ir && twin_.instructions.resp == 2) + (b && twin_.b_resp == 2);
    }
};

}  // namespace

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    context->commandArgs(argc, argv);
    std::vector<std::string> plus(argv + 1, argv + argc), twin = plus;
    for (std::string& each : twin)
        if (!each.compare(0, 5, "+log=") || !each.compare(0, 6, "+dump=")) each += ".twin";
    try {
        return !Bench{context.get(), Plusargs{plus}, Plusargs{twin}}.run();
    } catch (const Failure& failure) {
        std::printf("%s\n", failure.what());
        return 1;
    }
}
