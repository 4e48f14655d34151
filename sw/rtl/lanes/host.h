// The host of one core, a step a call: plays a script on the AXI4-Lite port, samples `observe`, asks for the dump.
// Script, result and cycle numbers are those of ../harness.cpp: its loops are states here, because several cores run at
// once. The first step is cycle 0.

#ifndef MAKALU_LANES_HOST_H
#define MAKALU_LANES_HOST_H

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include "memory.h"

constexpr uint64_t kClockMask = 0x7f;  // look at the wall clock every 128 cycles
constexpr double kProgressSeconds = 0.5;

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

inline double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

class Host {
public:
    // What it drives in the next step.
    struct Drives {
        bool aw_valid = false, w_valid = false, b_ready = false, ar_valid = false, r_ready = false;
        uint16_t aw_addr = 0, ar_addr = 0;
        uint32_t w_data = 0;
        uint8_t w_strb = 0;
    };
    // What the core showed in a step.
    struct Shown {
        bool aw_ready = false, w_ready = false, b_valid = false, ar_ready = false, r_valid = false, irq = false;
        uint8_t b_resp = 0, r_resp = 0;
        uint32_t r_data = 0;
    };

    // `alone`: tell stdout how far it is, and the result file when each part of a wait was over.
    Host(const Plusargs& plus, bool alone) : alone_{alone} {
        script_ = open(plus, "script", "r");
        result_ = open(plus, "result", "w");
        const char* trace = plus.text("trace");
        if (trace && *trace) trace_ = open(plus, "trace", "wb");
    }

    // Once everything else of the run is there: what is wrong with the script comes last, as in the harness.
    void start() { next(); }

    const Drives& drives() const { return drives_; }
    bool traces() const { return trace_ != nullptr; }
    bool dumps() const { return state_ == State::kDump; }  // at the edge of the next step
    bool over() const { return state_ == State::kOver; }

    // An assertion does not hold in this step.
    [[noreturn]] void broken(const std::string& what) const { fail(what); }

    // After the edge of a step; `row` is its sample.
    void step(const Shown& shown, const uint8_t* row, size_t row_bytes) {
        if (trace_) std::fwrite(row, 1, row_bytes, trace_.get());
        ++cycle_;
        ++steps_;
        if (alone_ && (cycle_ & kClockMask) == 0) tell();
        switch (state_) {
            case State::kWrite: write(shown); break;
            case State::kRead: read(shown); break;
            case State::kWait: wait(shown.irq); break;
            case State::kDump: state_ = State::kLast; break;
            case State::kLast: state_ = State::kOver; break;
            case State::kOver: break;
        }
    }

private:
    enum class State { kWrite, kRead, kWait, kDump, kLast, kOver };
    static constexpr uint64_t kAnswerLimit = 10000;
    static constexpr double kNoteSeconds = 0.02;
    static constexpr uint8_t kAllStrobes = 0xf;

    bool alone_;
    File script_, result_, trace_;
    State state_ = State::kOver;
    Drives drives_;
    uint64_t cycle_ = 0, steps_ = 0;  // of the run, of the line
    uint64_t address_ = 0, limit_ = 0;
    bool address_taken_ = false, data_taken_ = false;
    Clock::time_point began_ = Clock::now(), noted_ = Clock::now(), said_ = Clock::now();

    [[noreturn]] void fail(const std::string& what) const {
        throw Failure("harness: " + what + " in cycle " + std::to_string(cycle_));
    }

    File open(const Plusargs& plus, const std::string& name, const char* mode) const {
        const char* path = plus.text(name);
        File file = open_file(path ? path : "", mode);
        if (!file) fail(name + "=");
        return file;
    }

    void tell() {
        if (state_ == State::kWait && since(noted_) > kNoteSeconds) {
            noted_ = Clock::now();
            std::fprintf(result_.get(), "at %" PRIu64 " %.6f %.6f\n", cycle_, since(began_), cpu_seconds());
        }
        if (since(said_) > kProgressSeconds) {
            said_ = Clock::now();
            std::printf("progress %" PRIu64 "\n", cycle_);
            std::fflush(stdout);
        }
    }

    // The next line of the script that takes a step.
    void next() {
        char word[16];
        uint64_t value = 0;
        steps_ = 0;
        address_taken_ = data_taken_ = false;
        while (std::fscanf(script_.get(), "%15s %" SCNx64, word, &address_) == 2) {
            if (!std::strcmp(word, "write")) {
                if (std::fscanf(script_.get(), "%" SCNx64, &value) != 1) fail("write without data");
                state_ = State::kWrite;
                drives_.aw_valid = drives_.w_valid = drives_.b_ready = true;
                drives_.aw_addr = static_cast<uint16_t>(address_);
                drives_.w_data = static_cast<uint32_t>(value);
                drives_.w_strb = kAllStrobes;
                return;
            }
            if (!std::strcmp(word, "read")) {
                state_ = State::kRead;
                drives_.ar_valid = drives_.r_ready = true;
                drives_.ar_addr = static_cast<uint16_t>(address_);
                return;
            }
            if (std::strcmp(word, "wait")) fail(word);
            began_ = Clock::now();
            limit_ = address_;
            state_ = State::kWait;
            if (limit_) return;
            waited(false);
        }
        state_ = State::kDump;
    }

    void write(const Shown& shown) {
        address_taken_ |= drives_.aw_valid && shown.aw_ready;
        data_taken_ |= drives_.w_valid && shown.w_ready;
        drives_.aw_valid = !address_taken_;
        drives_.w_valid = !data_taken_;
        if (!shown.b_valid) {
            if (steps_ == kAnswerLimit) fail("no answer to a write");
            return;
        }
        drives_.b_ready = false;
        std::fprintf(result_.get(), "write %x %x\n", static_cast<uint32_t>(address_), shown.b_resp);
        next();
    }

    void read(const Shown& shown) {
        address_taken_ |= drives_.ar_valid && shown.ar_ready;
        drives_.ar_valid = !address_taken_;
        if (!shown.r_valid) {
            if (steps_ == kAnswerLimit) fail("no answer to a read");
            return;
        }
        drives_.r_ready = false;
        std::fprintf(result_.get(), "read %x %x %x\n", static_cast<uint32_t>(address_), shown.r_data, shown.r_resp);
        next();
    }

    void wait(bool irq) {
        if (!irq && steps_ < limit_) return;
        waited(irq);
        next();
    }

    void waited(bool irq) {
        std::fprintf(result_.get(), "wait %" PRIu64 " %d %.6f\n", cycle_, irq, since(began_));
    }
};

#endif
