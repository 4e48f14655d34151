// Judge of the arithmetic units (hw/arith/assembly.py, in judge.v): reads vectors from standard input, one a line,
// sends one a cycle into all units, and compares what each unit of the vector's operation shows, after its latency.
//
// Arguments: OPERATION (of every line, which then has only numbers, and may end with TestFloat's flags; or - where each
// line begins with its own), SUBNORMALS (0: units that keep them, 1: those that flush), SHOWN (differences to write).
// stdout: `wrong LINE UNIT WANT GOT OPERATION OPERAND...` (LINE in decimal, numbers in hex), last
// `judged VECTORS RESULTS WRONG SECONDS` (of the CPU).
// stderr and exit code 2 for a line that breaks a rule: `line N: RULE`. docs/judge.md has the rules.

#include <algorithm>
#include <cctype>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "Vjudge.h"
#include "verilated.h"

namespace {

constexpr int kMostOperands = 5;
constexpr int kWordBits = 32;
constexpr size_t kMostShown = 40;  // characters of a field in a message
constexpr int kFlagBits = 8;
constexpr int kInputWords = sizeof(decltype(Vjudge::i)) / sizeof(uint32_t);

struct Format {
    int bits;
    uint32_t last, nan;  // what a NaN's magnitude is above; the one that is written
    bool is_nan(uint32_t value) const { return (value & ((1u << (bits - 1)) - 1)) > last; }
};

struct Operand {
    int offset, width, bits;  // in the inputs; as a line has it
    bool chain;               // an fp32 that goes in as a chain word
};

struct Operation {
    const char* name;
    int operands;
    Operand operand[kMostOperands];
    uint32_t fixed[kInputWords];
    Format result;
    bool any_nan;
    uint32_t units[2];  // a bit a unit: those that keep subnormals, those that flush
};

#include "judge_table.h"

struct Vector {
    const Operation* operation = nullptr;
    uint64_t line = 0;
    uint32_t operand[kMostOperands] = {};
    uint32_t want = 0;
};

std::string shown(std::string_view field) {
    std::string text{field.substr(0, kMostShown)};
    for (char& c : text) if (!std::isprint(static_cast<unsigned char>(c))) c = '?';
    return "'" + text + (field.size() > kMostShown ? "...'" : "'");
}

// fp32 bits as a chain word; `pending`: with its rounding step to be done, where the number can have one.
uint64_t chain_word(uint32_t bits, bool pending, bool flush) {
    uint64_t magnitude = bits & ((1u << (kFp32.bits - 1)) - 1);
    const uint64_t sign = bits >> (kFp32.bits - 1);
    if (kFp32.is_nan(bits)) return static_cast<uint64_t>(kNanExponent) << kExponentAt;
    // a chain that flushes never has the smallest normal number as a subnormal and its step
    pending = pending && magnitude && !(flush && magnitude == 1ull << kExponentAt);
    magnitude -= pending;
    return magnitude | sign << kSignAt | static_cast<uint64_t>(pending) << kIncrementAt;
}

class Judge {
public:
    Judge(const char* operation, bool flush, uint64_t most) : flush_{flush}, most_{most} {
        if (std::string_view{operation} != "-") given_ = find(operation);
        top_->clk = 0;
        top_->eval();  // the first one takes the clock as it is, not as an edge
    }

    void run() {
        const std::clock_t began = std::clock();
        char* text = nullptr;
        size_t room = 0;
        for (ssize_t length; (length = getline(&text, &room, stdin)) >= 0;) {
            ++line_;
            split({text, static_cast<size_t>(length)});
            if (!fields_.empty()) cycle(parsed());
        }
        std::free(text);
        if (!vectors_) {
            line_ = 0;
            fail("input must have at least one vector");
        }
        for (int i = 0; i < kLatest; ++i) cycle({});
        const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
        std::printf("judged %" PRIu64 " %" PRIu64 " %" PRIu64 " %.6f\n", vectors_, results_, wrong_, seconds);
    }

private:
    const std::unique_ptr<VerilatedContext> context_{new VerilatedContext};
    const std::unique_ptr<Vjudge> top_{new Vjudge{context_.get()}};
    const bool flush_;
    const uint64_t most_;
    const Operation* given_ = nullptr;
    std::vector<std::string_view> fields_;
    Vector inside_[kLatest + 1];  // by cycle
    uint64_t line_ = 0, cycle_ = 0, vectors_ = 0, results_ = 0, wrong_ = 0;

    [[noreturn]] void fail(const std::string& rule) {
        std::fflush(stdout);
        if (line_) std::fprintf(stderr, "line %" PRIu64 ": ", line_);
        std::fprintf(stderr, "%s\n", rule.c_str());
        std::exit(2);
    }

    // Fields between white space; none of an empty line and of a comment.
    void split(std::string_view text) {
        fields_.clear();
        for (size_t at = 0; at < text.size();) {
            while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
            size_t end = at;
            while (end < text.size() && !std::isspace(static_cast<unsigned char>(text[end]))) ++end;
            if (fields_.empty() && end > at && text[at] == '#') return;
            if (end > at) fields_.push_back(text.substr(at, end - at));
            at = end;
        }
    }

    const Operation* find(std::string_view name) {
        std::string names;
        for (const Operation& operation : kOperations) {
            if (name == operation.name) return &operation;
            names += (names.empty() ? "" : ", ") + std::string{operation.name};
        }
        fail("operation must be one of " + names + ", not " + shown(name));
    }

    // Operand 1 and up, 0 for the result, -1 for flags: only a message needs its name.
    uint32_t number(std::string_view field, int bits, const Operation& operation, int which) {
        uint64_t value = 0;
        for (const unsigned char c : field) {
            if (!std::isxdigit(c)) fail(called(operation, which) + " must be hexadecimal digits, not " + shown(field));
            value = value << 4 | static_cast<uint64_t>(std::isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
            if (value >> bits) fail(called(operation, which) + fit(bits) + shown(field));
        }
        return static_cast<uint32_t>(value);
    }

    static std::string fit(int bits) { return " must fit into " + std::to_string(bits) + " bits, not be "; }

    static std::string called(const Operation& operation, int which) {
        const std::string what = which > 0 ? "operand " + std::to_string(which) : which ? "flags" : "result";
        return what + " of " + operation.name;
    }

    Vector parsed() {
        Vector v;
        v.operation = given_ ? given_ : find(fields_[0]);
        v.line = line_;
        const Operation& operation = *v.operation;
        const auto count = static_cast<size_t>(operation.operands);
        const size_t first = given_ ? 0 : 1, found = fields_.size() - first;
        if (found != count + 1 && !(given_ && found == count + 2)) {
            const std::string rule = " must have " + std::to_string(count) + " operands and a result";
            fail(operation.name + rule + (given_ ? ", then flags or nothing" : "") + ", not " + std::to_string(found) +
                 (found == 1 ? " number" : " numbers"));
        }
        for (int i = 0; i < operation.operands; ++i) {
            const std::string_view field = fields_[first + static_cast<size_t>(i)];
            v.operand[i] = number(field, operation.operand[i].bits, operation, i + 1);
        }
        v.want = number(fields_[first + count], operation.result.bits, operation, 0);
        if (found > count + 1) number(fields_.back(), kFlagBits, operation, -1);
        ++vectors_;
        return v;
    }

    void put(const Operand& field, uint64_t value) {
        for (int done = 0; done < field.width;) {
            const int word = (field.offset + done) / kWordBits, at = (field.offset + done) % kWordBits;
            top_->i[word] |= static_cast<uint32_t>(value >> done) << at;
            done += kWordBits - at;
        }
    }

    // `v` goes in; what the units show of earlier vectors is judged.
    void cycle(const Vector& v) {
        inside_[cycle_ % (kLatest + 1)] = v;
        if (v.operation) {
            std::copy_n(v.operation->fixed, kInputWords, &top_->i[0]);
            for (int i = 0; i < v.operation->operands; ++i) {
                const Operand& field = v.operation->operand[i];
                put(field, field.chain ? chain_word(v.operand[i], vectors_ & 1, flush_) : v.operand[i]);
            }
        }
        top_->clk = 1;
        top_->eval();
        for (int latency = 0; latency <= kLatest && static_cast<uint64_t>(latency) <= cycle_; ++latency) {
            const Vector& then = inside_[(cycle_ - static_cast<uint64_t>(latency)) % (kLatest + 1)];
            if (!then.operation) continue;
            for (uint32_t units = then.operation->units[flush_] & kUnitsOfLatency[latency]; units; units &= units - 1) {
                compare(then, __builtin_ctz(units));
            }
        }
        top_->clk = 0;
        top_->eval();
        ++cycle_;
    }

    void compare(const Vector& v, int unit) {
        const Operation& operation = *v.operation;
        const uint32_t got = top_->o[unit];
        uint32_t want = v.want;
        if (operation.result.is_nan(want)) {
            want = operation.any_nan && operation.result.is_nan(got) ? got : operation.result.nan;
        }
        ++results_;
        if (got == want || ++wrong_ > most_) return;
        std::printf("wrong %" PRIu64 " %s %x %x %s", v.line, kUnits[unit], want, got, operation.name);
        for (int i = 0; i < operation.operands; ++i) std::printf(" %x", v.operand[i]);
        std::printf("\n");
    }
};

}  // namespace

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    if (argc != 4) return 3;
    Judge{argv[1], argv[2][0] == '1', std::strtoull(argv[3], nullptr, 10)}.run();
    return 0;
}
