// Drives a compiled component with the inputs of a file, a row of words a cycle, and writes its outputs to another one.
//
// bench INPUTS OUTPUTS SEED THREADS. With -DVERILATED Verilator's model of the same component takes the same inputs, and the
// exit code is 1 after the first cycle in which outputs differ. `ports.h` says where in a row a port's words are.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "model.h"
#include "ports.h"
#ifdef VERILATED
#include "Vbench.h"
#include "verilated.h"
#endif

namespace {

using Row = std::vector<uint32_t>;

uint64_t number(const uint32_t* words, int bits) {
    return words[0] | (bits > 32 ? static_cast<uint64_t>(words[1]) << 32 : 0);
}

void store(uint32_t* words, int bits, uint64_t value) {
    words[0] = static_cast<uint32_t>(value);
    if (bits > 32) words[1] = static_cast<uint32_t>(value >> 32);
}

#define BYTES(words) reinterpret_cast<uint8_t*>(words)

void drive(uint32_t* row) {
#define NUMBER(port, word, bits) model::set_##port(0, number(row + word, bits));
#define WIDE(port, word, bits) model::set_bytes_##port(0, BYTES(row + word));
    INPUTS
#undef NUMBER
#undef WIDE
}

void read(uint32_t* row) {
#define NUMBER(port, word, bits) store(row + word, bits, model::get_##port(0));
#define WIDE(port, word, bits) model::get_bytes_##port(0, BYTES(row + word));
    OUTPUTS
#undef NUMBER
#undef WIDE
}

#ifdef VERILATED
class Reference {
public:
    void drive(const uint32_t* row) {
#define NUMBER(port, word, bits) std::memcpy(&top_.port, row + word, sizeof top_.port);
#define WIDE NUMBER
        INPUTS
#undef NUMBER
        top_.clk = 0;
        top_.eval();
    }
    void read(uint32_t* row) const {
#define NUMBER(port, word, bits) std::memcpy(row + word, &top_.port, sizeof top_.port);
        OUTPUTS
#undef NUMBER
#undef WIDE
    }
    void edge() {
        top_.clk = 1;
        top_.eval();
    }

private:
    Vbench top_;
};
#endif

}  // namespace

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    FILE* const in = argc > 4 ? std::fopen(argv[1], "rb") : nullptr;
    FILE* const out = argc > 4 ? std::fopen(argv[2], "wb") : nullptr;
    if (!in || !out) return 2;
    model::threads(std::atoi(argv[4]));
    model::restart(0, std::strtoull(argv[3], nullptr, 10));
    Row given(kInputWords + 2), seen(kOutputWords + 2);
#ifdef VERILATED
    Reference reference;
    Row wanted(kOutputWords + 2);
#endif
    for (int cycle = 0; std::fread(given.data(), 4, kInputWords, in) == kInputWords; ++cycle) {
        drive(given.data());
        model::first();
        model::second();
        if (const model::Broken& broken = model::brokens[0]; broken.text) {
            std::printf("cycle %d: assertion failed: %s (%s %d)\n", cycle, broken.text, broken.module, broken.instance);
            return 1;
        }
        read(seen.data());
        std::fwrite(seen.data(), 4, kOutputWords, out);
#ifdef VERILATED
        reference.drive(given.data());
        reference.read(wanted.data());
        for (unsigned w = 0; w < kOutputWords; ++w)
            if (seen[w] != wanted[w]) {
                std::printf("cycle %d: output word %u is %08x, not %08x\n", cycle, w, seen[w], wanted[w]);
                return 1;
            }
        reference.edge();
#endif
    }
    std::fclose(out);
    return 0;
}
