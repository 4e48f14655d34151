// Host of `bench` on Verilator: resets it, plays a script on the AXI4-Lite port, samples `observe`, dumps the memory.
//
// Script lines (numbers in hex): `write ADDRESS DATA`, `read ADDRESS`, `wait CYCLES` (until the interrupt, or that many
// cycles). Lines of the result file: `write ADDRESS RESP`, `read ADDRESS DATA RESP` (hex), `wait CYCLE IRQ SECONDS`
// (decimal; IRQ 0 or 1; CYCLE counts from the first cycle with `held` low), and in a wait `at CYCLE SECONDS CPU` now and
// then: SECONDS by the wall clock since the wait began, CPU seconds of the process since it began.
// Plusargs: +script= +result= +trace= (binary, OBSERVE_BITS rounded up to bytes for every cycle) and the memory's.
// With waves in the build: +waves= (an FST file), of all cycles or from cycle +waves_first= up to before +waves_end=.
// stdout: `progress CYCLE` about twice a second.

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

#include "Vbench.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

#ifndef OBSERVE_BITS
#define OBSERVE_BITS 0
#endif

namespace {

constexpr int kResetCycles = 8;
constexpr int kAnswerLimit = 10000;
constexpr uint64_t kClockMask = 0x7f;  // look at the wall clock every 128 cycles
constexpr double kNoteSeconds = 0.02;
constexpr double kProgressSeconds = 0.5;
constexpr int kAllStrobes = 0xf;

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// The FST file of a run, where one is wanted. A cycle takes two units of time from its rising edge on; the first one
// after reset, cycle 0, begins at 2 * kResetCycles, as on Icarus.
class Waves {
public:
#if VM_TRACE
    void open(VerilatedContext* context, Vbench* top, const std::string& path, const char* first, const char* end) {
        if (path.empty()) return;
        first_ = *first ? std::strtoll(first, nullptr, 10) : INT64_MIN;
        end_ = *end ? std::strtoll(end, nullptr, 10) : INT64_MAX;
        context->traceEverOn(true);
        file_.reset(new VerilatedFstC);
        top->trace(file_.get(), 99);
        file_->open(path.c_str());
    }

    // `half` is 0 at the falling edge in the middle of `cycle`, 1 at the rising edge that ends it.
    void dump(int64_t cycle, int half) {
        const int64_t time = 2 * (cycle + kResetCycles) + 1 + half;
        if (file_ && time >= 0 && cycle + half >= first_ && cycle + half < end_) file_->dump(static_cast<uint64_t>(time));
    }

    void close() {
        if (file_) file_->close();
    }

private:
    std::unique_ptr<VerilatedFstC> file_;
    int64_t first_ = 0;
    int64_t end_ = 0;
#else
    void open(VerilatedContext*, Vbench*, const std::string&, const char*, const char*) {}
    void dump(int64_t, int) {}
    void close() {}
#endif
};

class Host {
public:
    explicit Host(VerilatedContext* context) : context_{context}, top_{new Vbench{context}} {
        script_ = open("script=", "r");
        result_ = open("result=", "w");
        if (!plus("trace=").empty()) trace_ = open("trace=", "wb");
        waves_.open(context, top_.get(), plus("waves="), plus("waves_first=").c_str(), plus("waves_end=").c_str());
        // inputs start at random like every other variable
        top_->dump = 0;
        top_->control_aw_valid = top_->control_w_valid = top_->control_b_ready = 0;
        top_->control_ar_valid = top_->control_r_ready = 0;
        top_->rst = 1;
        context->fatalOnError(false);  // `fail` says the cycle
        cycle_ = -kResetCycles - 1;
        for (int i = 0; i < kResetCycles; ++i) step();
        top_->rst = 0;
        step();  // `held` follows
    }

    void play() {
        char word[16];
        uint64_t first = 0;
        uint64_t second = 0;
        while (std::fscanf(script_, "%15s %" SCNx64, word, &first) == 2) {
            if (!std::strcmp(word, "write")) {
                if (std::fscanf(script_, "%" SCNx64, &second) != 1) fail("write without data");
                write(static_cast<uint32_t>(first), static_cast<uint32_t>(second));
            } else if (!std::strcmp(word, "read")) {
                read(static_cast<uint32_t>(first));
            } else if (!std::strcmp(word, "wait")) {
                wait(first);
            } else {
                fail(word);
            }
        }
        top_->dump = 1;
        step();
        top_->dump = 0;
        step();
        top_->final();
        waves_.close();
        std::fclose(result_);
        if (trace_) std::fclose(trace_);
    }

private:
    VerilatedContext* context_;
    std::unique_ptr<Vbench> top_;
    FILE* script_ = nullptr;
    FILE* result_ = nullptr;
    FILE* trace_ = nullptr;
    Waves waves_;
    int64_t cycle_ = 0;  // from the first one with `held` low; negative before
    bool waiting_ = false;
    Clock::time_point began_ = Clock::now();
    Clock::time_point noted_ = Clock::now();
    Clock::time_point said_ = Clock::now();

    [[noreturn]] void fail(const char* what) {
        std::fprintf(stderr, "harness: %s in cycle %" PRId64 "\n", what, std::max<int64_t>(cycle_, 0));
        waves_.close();  // what led here is what they are for
        std::exit(1);
    }

    std::string plus(const char* name) {
        const std::string match = context_->commandArgsPlusMatch(name);
        return match.empty() ? match : match.substr(std::strlen(name) + 1);
    }

    FILE* open(const char* name, const char* mode) {
        FILE* file = std::fopen(plus(name).c_str(), mode);
        if (!file) fail(name);
        return file;
    }

    // What ports show after this call's first half is what they show in this cycle; inputs set afterwards belong to the
    // next one. `look` runs between the halves.
    template <typename Look>
    void step(Look look) {
        top_->clk = 0;
        top_->eval();
        if (trace_ && !top_->held) std::fwrite(&top_->observe, 1, (OBSERVE_BITS + 7) / 8, trace_);
        waves_.dump(cycle_, 0);
        look();
        top_->clk = 1;
        context_->time(static_cast<uint64_t>(std::max<int64_t>(cycle_, 0)));  // messages of the model begin with it
        top_->eval();
        waves_.dump(cycle_, 1);
        if (context_->gotError()) fail("an assertion failed");
        if (context_->gotFinish()) fail("the model finished");
        ++cycle_;
        if ((cycle_ & kClockMask) == 0) tell();
    }
    void step() {
        step([] {});
    }

    void tell() {
        if (since(noted_) > kNoteSeconds && waiting_) {
            noted_ = Clock::now();
            std::fprintf(result_, "at %" PRId64 " %.6f %.6f\n", cycle_, since(began_), cpu_seconds());
        }
        if (since(said_) > kProgressSeconds) {
            said_ = Clock::now();
            std::printf("progress %" PRId64 "\n", cycle_);
            std::fflush(stdout);
        }
    }

    void write(uint32_t address, uint32_t data) {
        top_->control_aw_valid = 1;
        top_->control_aw_addr = static_cast<uint16_t>(address);
        top_->control_w_valid = 1;
        top_->control_w_data = data;
        top_->control_w_strb = kAllStrobes;
        top_->control_b_ready = 1;
        bool address_taken = false, data_taken = false, answered = false;
        unsigned resp = 0;
        for (int i = 0; !answered; ++i) {
            if (i == kAnswerLimit) fail("no answer to a write");
            step([&] {
                address_taken |= top_->control_aw_valid && top_->control_aw_ready;
                data_taken |= top_->control_w_valid && top_->control_w_ready;
                answered = top_->control_b_valid;
                resp = top_->control_b_resp;
            });
            top_->control_aw_valid = !address_taken;
            top_->control_w_valid = !data_taken;
        }
        top_->control_b_ready = 0;
        std::fprintf(result_, "write %x %x\n", address, resp);
    }

    void read(uint32_t address) {
        top_->control_ar_valid = 1;
        top_->control_ar_addr = static_cast<uint16_t>(address);
        top_->control_r_ready = 1;
        bool taken = false, answered = false;
        unsigned resp = 0;
        uint32_t data = 0;
        for (int i = 0; !answered; ++i) {
            if (i == kAnswerLimit) fail("no answer to a read");
            step([&] {
                taken |= top_->control_ar_valid && top_->control_ar_ready;
                answered = top_->control_r_valid;
                data = top_->control_r_data;
                resp = top_->control_r_resp;
            });
            top_->control_ar_valid = !taken;
        }
        top_->control_r_ready = 0;
        std::fprintf(result_, "read %x %x %x\n", address, data, resp);
    }

    void wait(uint64_t limit) {
        began_ = Clock::now();
        waiting_ = true;
        bool irq = false;
        for (uint64_t i = 0; i < limit && !irq; ++i) step([&] { irq = top_->irq; });
        waiting_ = false;
        std::fprintf(result_, "wait %" PRId64 " %d %.6f\n", cycle_, irq, since(began_));
    }
};

}  // namespace

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    context->commandArgs(argc, argv);
    Host{context.get()}.play();
    return 0;
}
