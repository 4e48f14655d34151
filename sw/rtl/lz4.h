// What Verilator's FST writer calls of LZ4, so that waves need nothing that a bare machine lacks: blocks in LZ4's
// format, which every reader of FST knows, by the greedy search of one table. Does not: decompress, or compress as well
// as the library.

#pragma once

#include <cstdint>
#include <cstring>

namespace makalu_lz4 {

constexpr int kHashBits = 10;
constexpr int kShortest = 4;     // bytes of a match
constexpr int kFarthest = 65535;
constexpr int kLastLiterals = 5; // the format's end of block: so many literals,
constexpr int kLastMatch = 12;   // and no match begins in so many bytes
constexpr int kNibble = 15;

inline uint32_t word(const uint8_t* p) {
    uint32_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// The part of a length that its nibble of the token does not hold.
inline uint8_t* rest(uint8_t* o, int length) {
    if (length < kNibble) return o;
    for (length -= kNibble; length >= 255; length -= 255) *o++ = 255;
    *o++ = static_cast<uint8_t>(length);
    return o;
}

// Literals, then a match of `match` bytes `offset` bytes before; the last sequence of a block has no match (0).
inline uint8_t* sequence(uint8_t* o, const uint8_t* literals, int count, int offset, int match) {
    const int beyond = match - kShortest;
    const int low = match ? (beyond < kNibble ? beyond : kNibble) : 0;
    *o++ = static_cast<uint8_t>((count < kNibble ? count : kNibble) << 4 | low);
    o = rest(o, count);
    std::memcpy(o, literals, count);
    o += count;
    if (!match) return o;
    *o++ = static_cast<uint8_t>(offset);
    *o++ = static_cast<uint8_t>(offset >> 8);
    return rest(o, beyond);
}

}  // namespace makalu_lz4

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// `target` has room for `LZ4_compressBound(size)` bytes; returns how many were written.
inline int LZ4_compress_default(const char* source, char* target, int size, int) {
    using namespace makalu_lz4;
    const uint8_t* const begin = reinterpret_cast<const uint8_t*>(source);
    const uint8_t* const end = begin + size;
    uint8_t* const out = reinterpret_cast<uint8_t*>(target);
    uint8_t* o = out;
    int seen[1 << kHashBits];  // where a word of this hash was last; -1: nowhere
    std::memset(seen, -1, sizeof seen);
    const uint8_t* literals = begin;
    const uint8_t* p = begin;
    while (end - p > kLastMatch) {
        int& place = seen[word(p) * 2654435761u >> (32 - kHashBits)];
        const int at = place;
        const int now = static_cast<int>(p - begin);
        place = now;
        if (at < 0 || now - at > kFarthest || word(begin + at) != word(p)) {
            ++p;
            continue;
        }
        const uint8_t* q = p + kShortest;
        for (const uint8_t* r = begin + at + kShortest; end - q > kLastLiterals && *q == *r; ++q) ++r;
        o = sequence(o, literals, static_cast<int>(p - literals), now - at, static_cast<int>(q - p));
        literals = p = q;
    }
    o = sequence(o, literals, static_cast<int>(end - literals), 0, 0);
    return static_cast<int>(o - out);
}
