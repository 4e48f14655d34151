// A second thread that steps half of a class while the first one steps the other half.
//
// Both meet twenty thousand times a second, so each waits in a loop and gives its processor away only after a while.

#include <atomic>
#include <thread>

#include "common.h"
#include "model.h"

namespace {

constexpr int kSpins = 20000;

std::atomic<void (*)()> work{nullptr};
bool two = false;

void wait_a_little(int& spins) {
    if (++spins < kSpins) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        return;
    }
    spins = 0;
    std::this_thread::yield();
}

void serve() {
    for (int spins = 0;;) {
        void (*const given)() = work.load(std::memory_order_acquire);
        if (!given) {
            wait_a_little(spins);
            continue;
        }
        given();
        spins = 0;
        work.store(nullptr, std::memory_order_release);
    }
}

}  // namespace

bool second_thread() { return two; }

void begin(void (*given)()) { work.store(given, std::memory_order_release); }

void finish() {
    for (int spins = 0; work.load(std::memory_order_acquire);) wait_a_little(spins);
}

void model::threads(int n) {
    if (n < 2 || two) return;
    two = true;
    std::thread(serve).detach();  // ends with the process
}
