// Simulates `model::kLanes` cores at once, each with its memory and its host. Plusargs say what a run does, as in
// ../harness.cpp and ../memory.v; +seed=N besides: where registers without reset start, 0 is all of them at 0;
// +threads=2: a second thread.
//
// +jobs=FILE: each line has the plusargs of one run, separated by blanks; a core that is done takes the next line. Then
// the exit code is 1 if any run failed, stderr says `job LINE: ...`, and stdout `progress DONE_JOBS`.
// -DMEMORY_BYTES=N: +size= may be up to that, as with SIZE of memory.v.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "host.h"
#include "memory.h"
#include "model.h"

#ifndef MEMORY_BYTES
#define MEMORY_BYTES (1ull << 26)
#endif

namespace {

using CoreMemory = Memory<model::kDataBytes, model::kInstructionBytes>;
constexpr size_t kRowBytes = (model::kObserveBits + 7) / 8;

class Run {
public:
    Run(int lane, const Plusargs& plus, bool alone) : lane_{lane}, host_{plus, alone}, memory_{plus, MEMORY_BYTES} {
        host_.start();
        uint64_t seed = 0;
        plus.number("seed", seed);
        model::restart(lane, seed);
    }

    bool over() const { return host_.over(); }

    // Inputs that do not depend on this cycle's outputs.
    void present() const {
        const Host::Drives& drives = host_.drives();
        model::set_control__aw__valid(lane_, drives.aw_valid);
        model::set_control__aw__addr(lane_, drives.aw_addr);
        model::set_control__w__valid(lane_, drives.w_valid);
        model::set_control__w__data(lane_, drives.w_data);
        model::set_control__w__strb(lane_, drives.w_strb);
        model::set_control__b__ready(lane_, drives.b_ready);
        model::set_control__ar__valid(lane_, drives.ar_valid);
        model::set_control__ar__addr(lane_, drives.ar_addr);
        model::set_control__r__ready(lane_, drives.r_ready);
        model::set_data__aw__ready(lane_, memory_.aw_ready);
        model::set_data__b__valid(lane_, memory_.b_valid);
        model::set_data__b__resp(lane_, memory_.b_resp);
        model::set_data__b__id(lane_, memory_.b_id);
        model::set_data__ar__ready(lane_, memory_.data.ar_ready);
        model::set_instructions__ar__ready(lane_, memory_.instructions.ar_ready);
        model::set_instructions__r__valid(lane_, memory_.instructions.valid);
        if (memory_.data.fresh) {
            model::set_bytes_data__r__data(lane_, memory_.data.data);
            model::set_data__r__resp(lane_, memory_.data.resp);
            model::set_data__r__last(lane_, memory_.data.last);
            model::set_data__r__id(lane_, memory_.data.id);
        }
        if (memory_.instructions.fresh) {
            model::set_bytes_instructions__r__data(lane_, memory_.instructions.data);
            model::set_instructions__r__resp(lane_, memory_.instructions.resp);
            model::set_instructions__r__last(lane_, memory_.instructions.last);
            model::set_instructions__r__id(lane_, memory_.instructions.id);
        }
    }

    void answer() {
        memory_.answer(model::get_data__w__valid(lane_));
        model::set_data__w__ready(lane_, memory_.w_ready);
        model::set_data__r__valid(lane_, memory_.data.valid);
    }

    void edge() {
        if (const model::Broken& broken = model::brokens[lane_]; broken.text) {
            const std::string where = std::string{broken.module} + " " + std::to_string(broken.instance);
            host_.broken("assertion failed: " + std::string{broken.text} + " (" + where + ")");
        }
        memory_.edge(memory_inputs());
        if (host_.dumps()) memory_.dump();
        Host::Shown shown;
        shown.aw_ready = model::get_control__aw__ready(lane_);
        shown.w_ready = model::get_control__w__ready(lane_);
        shown.b_valid = model::get_control__b__valid(lane_);
        shown.b_resp = static_cast<uint8_t>(model::get_control__b__resp(lane_));
        shown.ar_ready = model::get_control__ar__ready(lane_);
        shown.r_valid = model::get_control__r__valid(lane_);
        shown.r_data = static_cast<uint32_t>(model::get_control__r__data(lane_));
        shown.r_resp = static_cast<uint8_t>(model::get_control__r__resp(lane_));
        shown.irq = model::get_irq(lane_);
        if (host_.traces() && kRowBytes) model::sample(lane_, row_);
        host_.step(shown, row_, kRowBytes);
    }

private:
    int lane_;
    Host host_;
    CoreMemory memory_;
    CoreMemory::Inputs in_;
    uint8_t row_[kRowBytes + 1] = {};  // no array of 0

#define MAKALU_ADDRESS(port, channel)                                                         \
    channel.valid = model::get_##port##__valid(lane_);                                        \
    if (channel.valid) {                                                                      \
        channel.addr = model::get_##port##__addr(lane_);                                      \
        channel.len = static_cast<uint8_t>(model::get_##port##__len(lane_));                  \
        channel.size = static_cast<uint8_t>(model::get_##port##__size(lane_));                \
        channel.burst = static_cast<uint8_t>(model::get_##port##__burst(lane_));              \
        channel.id = static_cast<uint8_t>(model::get_##port##__id(lane_));                    \
    }

    const CoreMemory::Inputs& memory_inputs() {
        MAKALU_ADDRESS(data__aw, in_.aw)
        MAKALU_ADDRESS(data__ar, in_.ar)
        MAKALU_ADDRESS(instructions__ar, in_.iar)
        in_.b_ready = model::get_data__b__ready(lane_);
        in_.r_ready = model::get_data__r__ready(lane_);
        in_.ir_ready = model::get_instructions__r__ready(lane_);
        if (memory_.w_ready) {
            model::get_bytes_data__w__data(lane_, in_.w_data);
            in_.w_strb = model::get_data__w__strb(lane_);
            in_.w_last = model::get_data__w__last(lane_);
        }
        return in_;
    }
#undef MAKALU_ADDRESS
};

// A lane without a run: as after reset, all inputs 0.
void silence(int lane) {
    static const uint8_t zero[std::max(model::kDataBytes, model::kInstructionBytes)] = {};
    model::restart(lane, 0);
    const auto set = [lane](auto... each) { (each(lane, 0), ...); };
    set(model::set_control__aw__valid, model::set_control__aw__addr, model::set_control__w__valid,
        model::set_control__w__data, model::set_control__w__strb, model::set_control__b__ready,
        model::set_control__ar__valid, model::set_control__ar__addr, model::set_control__r__ready);
    set(model::set_data__aw__ready, model::set_data__w__ready, model::set_data__b__valid, model::set_data__b__resp,
        model::set_data__b__id, model::set_data__ar__ready, model::set_data__r__valid, model::set_data__r__resp,
        model::set_data__r__last, model::set_data__r__id);
    set(model::set_instructions__ar__ready, model::set_instructions__r__valid, model::set_instructions__r__resp,
        model::set_instructions__r__last, model::set_instructions__r__id);
    model::set_bytes_data__r__data(lane, zero);
    model::set_bytes_instructions__r__data(lane, zero);
}

// The runs that are still to be done, and those on each lane.
class Queue {
public:
    explicit Queue(Plusargs plus) : plus_{std::move(plus)}, jobs_{plus_.text("jobs") != nullptr} {
        if (!jobs_) return;
        lines_.open(plus_.text("jobs"));
        if (!lines_) throw Failure(std::string{"jobs cannot be opened: "} + plus_.text("jobs"));
    }

    int work() {
        for (int lane = 0; lane < model::kLanes; ++lane) take(lane);
        for (uint64_t cycle = 1; busy_; ++cycle) {
            for (const auto& run : runs_) if (run) run->present();
            model::first();
            for (const auto& run : runs_) if (run) run->answer();
            model::second();
            for (int lane = 0; lane < model::kLanes; ++lane) if (runs_[lane]) edge(lane);
            if (jobs_ && (cycle & kClockMask) == 0) tell();
        }
        return failed_;
    }

private:
    Plusargs plus_;
    bool jobs_;
    std::ifstream lines_;
    std::unique_ptr<Run> runs_[model::kLanes];
    int line_[model::kLanes] = {};
    int taken_ = 0, done_ = 0, busy_ = 0;
    bool failed_ = false;
    Clock::time_point said_ = Clock::now();

    bool next(std::vector<std::string>& arguments) {
        std::string line;
        while (arguments.empty() && std::getline(lines_, line)) {
            ++taken_;
            std::istringstream words{line};
            arguments.assign(std::istream_iterator<std::string>{words}, {});
        }
        return !arguments.empty();
    }

    void take(int lane) {
        while (!runs_[lane]) {
            std::vector<std::string> arguments;
            if (jobs_ ? !next(arguments) : taken_++ != 0) return silence(lane);
            line_[lane] = taken_;
            try {
                runs_[lane] = std::make_unique<Run>(lane, jobs_ ? Plusargs{arguments} : plus_, !jobs_);
                ++busy_;
            } catch (const Failure& failure) {
                fail(lane, failure);
                ++done_;
            }
        }
    }

    void edge(int lane) {
        try {
            runs_[lane]->edge();
            if (!runs_[lane]->over()) return;
        } catch (const Failure& failure) {
            fail(lane, failure);
        }
        ++done_;
        --busy_;
        runs_[lane].reset();
        take(lane);
    }

    void fail(int lane, const Failure& failure) {
        if (jobs_) std::fprintf(stderr, "job %d: ", line_[lane]);
        std::fprintf(stderr, "%s\n", failure.what());
        failed_ = true;
    }

    void tell() {
        if (since(said_) < kProgressSeconds) return;
        said_ = Clock::now();
        std::printf("progress %d\n", done_);
        std::fflush(stdout);
    }
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const Plusargs plus{std::vector<std::string>(argv + 1, argv + argc)};
        uint64_t threads = 1;
        plus.number("threads", threads);
        model::threads(static_cast<int>(threads));
        return Queue{plus}.work();
    } catch (const Failure& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
