// What Verilator's FST writer calls of zlib, so that waves need nothing that a bare machine lacks: streams of stored
// blocks. They are longer than their content, so the writer keeps the content as it is, which the format allows; the
// bulk of a file goes through lz4.h. Does not: make anything smaller.

#pragma once

#include <cstdint>
#include <initializer_list>

using uLong = unsigned long;
using uLongf = uLong;
using Bytef = unsigned char;
enum { Z_OK = 0 };

namespace makalu_zlib {

constexpr uLong kBlock = 65535;
constexpr uint32_t kAdler = 65521;

inline Bytef* little(Bytef* o, uLong value) {
    *o++ = static_cast<Bytef>(value);
    *o++ = static_cast<Bytef>(value >> 8);
    return o;
}

}  // namespace makalu_zlib

inline uLong compressBound(uLong size) { return 2 + size + 5 * (size / makalu_zlib::kBlock + 1) + 4; }

inline int compress2(Bytef* target, uLongf* written, const Bytef* source, uLong size, int) {
    using namespace makalu_zlib;
    Bytef* o = target;
    *o++ = 0x78;
    *o++ = 0x01;
    uint32_t a = 1, b = 0;
    uLong left = size;
    do {
        const uLong count = left < kBlock ? left : kBlock;
        left -= count;
        *o++ = left == 0;  // the last block
        o = little(little(o, count), ~count);
        for (uLong i = 0; i < count; ++i) {
            *o++ = *source;
            a = (a + *source++) % kAdler;
            b = (b + a) % kAdler;
        }
    } while (left);
    for (const uint32_t half : {b, a}) {
        *o++ = static_cast<Bytef>(half >> 8);
        *o++ = static_cast<Bytef>(half);
    }
    *written = static_cast<uLongf>(o - target);
    return Z_OK;
}
