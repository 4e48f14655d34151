// Lanes: V is LANES words of 32 bits, B is a truth value a lane. One part of one wire of LANES instances is one V or B.
//
// Forms: 16 and 8 lanes with AVX-512 (B is a mask register), 8 lanes with AVX2, any number through the compiler's vector
// extension (B is a vector of 0 and ~0), and one lane (B is a word of 0 or ~0). What is smaller than 32 bits is
// zero-extended. Shifts by more than 31 give 0 (sar: the sign).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef LANES
#define LANES 1
#endif
#if !defined(PLAIN) && defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__AVX512CD__) && \
    (LANES == 16 || LANES == 8)
#define MASKS 1
#include <immintrin.h>
#elif !defined(PLAIN) && defined(__AVX2__) && LANES == 8
#define WIDE_AVX2 1
#include <immintrin.h>
#endif
#define INL static inline __attribute__((always_inline, unused))

typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;

#if LANES == 1

typedef u32 V;
typedef u32 B;
static const B ONE = ~0u, ZERO = 0;
INL V c_(u32 x) { return x; }
INL V ld(const u32* p) { return *p; }
INL void st(u32* p, V v) { *p = v; }
INL B every(u32 bit) { return -bit; }
INL V sel(B m, u32 c) { return m & c; }
INL V andm(B m, V a) { return m & a; }
INL V andnotm(B m, V a) { return ~m & a; }
INL B truth(bool x) { return -(u32)x; }
INL B nz(V a) { return truth(a != 0); }
INL B eq(V a, V b) { return truth(a == b); }
INL B ltu(V a, V b) { return truth(a < b); }
INL B lts(V a, V b) { return truth((i32)a < (i32)b); }
INL B bitm(V x, int k) { return -(x >> k & 1u); }
INL V mux(B m, V a, V b) { return b ^ ((a ^ b) & m); }
INL V shl(V a, V n) { return n > 31 ? 0 : a << n; }
INL V shr(V a, V n) { return n > 31 ? 0 : a >> n; }
INL V sar(V a, V n) { return (u32)((i32)a >> (n > 31 ? 31 : n)); }
INL V lzc(V a) { return a ? (u32)__builtin_clz(a) : 32u; }
INL V mulhi(V a, V b) { return (u32)((u64)a * b >> 32); }
INL bool any(B m) { return m != 0; }
INL u32 lane(V v, int) { return v; }
INL void put(V& v, int, u32 x) { v = x; }
INL bool laneb(B m, int) { return m != 0; }
INL void putb(B& m, int, bool x) { m = truth(x); }

#else

typedef u32 V __attribute__((vector_size(4 * LANES)));
typedef i32 VI __attribute__((vector_size(4 * LANES)));
typedef V VU __attribute__((aligned(4), may_alias));
INL V c_(u32 x) { return V{} + x; }
INL V ld(const u32* p) { return *(const VU*)p; }
INL void st(u32* p, V v) { *(VU*)p = v; }
INL u32 lane(V v, int i) { return v[i]; }
INL void put(V& v, int i, u32 x) { v[i] = x; }

#ifdef MASKS
#if LANES == 16
typedef __mmask16 B;
#define X_(name) _mm512_##name
#define W_(v) ((__m512i)(v))
#define BITS_ 512
INL V movm_(B m) { return (V)_mm512_movm_epi32(m); }
INL V lzc(V a) { return (V)_mm512_lzcnt_epi32(W_(a)); }
INL V mulhi(V a, V b) {
    const __m512i even = _mm512_mul_epu32(W_(a), W_(b));
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(W_(a), 32), _mm512_srli_epi64(W_(b), 32));
    return (V)_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}
#else
typedef __mmask8 B;
#define X_(name) _mm256_##name
#define W_(v) ((__m256i)(v))
INL V lzc(V a) { return (V)_mm256_lzcnt_epi32(W_(a)); }
INL V mulhi(V a, V b) {
    const __m256i even = _mm256_mul_epu32(W_(a), W_(b));
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(W_(a), 32), _mm256_srli_epi64(W_(b), 32));
    return (V)_mm256_mask_blend_epi32(0xAA, _mm256_srli_epi64(even, 32), odd);
}
#endif
static const B ONE = (B)~0u, ZERO = 0;
INL B every(u32 bit) { return (B)-bit; }
INL V sel(B m, u32 c) { return (V)X_(maskz_set1_epi32)(m, (int)c); }
INL V andm(B m, V a) { return (V)X_(maskz_mov_epi32)(m, W_(a)); }
INL V andnotm(B m, V a) { return (V)X_(maskz_mov_epi32)((B)~m, W_(a)); }
INL B nz(V a) { return X_(test_epi32_mask)(W_(a), W_(a)); }
INL B eq(V a, V b) { return X_(cmpeq_epi32_mask)(W_(a), W_(b)); }
INL B ltu(V a, V b) { return X_(cmplt_epu32_mask)(W_(a), W_(b)); }
INL B lts(V a, V b) { return X_(cmplt_epi32_mask)(W_(a), W_(b)); }
INL B bitm(V x, int k) { return X_(test_epi32_mask)(W_(x), W_(c_(1u << k))); }
INL V mux(B m, V a, V b) { return (V)X_(mask_blend_epi32)(m, W_(b), W_(a)); }
INL V shl(V a, V n) { return (V)X_(sllv_epi32)(W_(a), W_(n)); }
INL V shr(V a, V n) { return (V)X_(srlv_epi32)(W_(a), W_(n)); }
INL V sar(V a, V n) { return (V)X_(srav_epi32)(W_(a), W_(n)); }
INL bool any(B m) { return m != 0; }
INL bool any(V v) { return nz(v) != 0; }
INL bool laneb(B m, int i) { return m >> i & 1; }
INL void putb(B& m, int i, bool x) { m = (B)((m & ~(1u << i)) | (u32)x << i); }
#else
typedef V B;
static const B ONE = ~V{}, ZERO = V{};
INL B every(u32 bit) { return c_(-bit); }
INL V sel(B m, u32 c) { return m & c; }
INL V andm(B m, V a) { return m & a; }
INL V andnotm(B m, V a) { return ~m & a; }
INL B nz(V a) { return (V)(a != V{}); }
INL B eq(V a, V b) { return (V)(a == b); }
INL B ltu(V a, V b) { return (V)(a < b); }
INL B lts(V a, V b) { return (V)((VI)a < (VI)b); }
INL B bitm(V x, int k) { return (V)((VI)(x << (31 - k)) >> 31); }
INL V mux(B m, V a, V b) { return b ^ ((a ^ b) & m); }
#ifdef WIDE_AVX2
INL V shl(V a, V n) { return (V)_mm256_sllv_epi32((__m256i)a, (__m256i)n); }
INL V shr(V a, V n) { return (V)_mm256_srlv_epi32((__m256i)a, (__m256i)n); }
INL V sar(V a, V n) { return (V)_mm256_srav_epi32((__m256i)a, (__m256i)n); }
INL bool any(B m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
#else
INL V shl(V a, V n) { return (a << (n & 31u)) & (V)(n < c_(32)); }
INL V shr(V a, V n) { return (a >> (n & 31u)) & (V)(n < c_(32)); }
INL V sar(V a, V n) { return (V)((VI)a >> (VI)mux((V)(n < c_(32)), n & 31u, c_(31))); }
INL bool any(B m) {
    u32 r = 0;
    for (int i = 0; i < LANES; ++i) r |= m[i];
    return r != 0;
}
#endif
INL V lzc(V a) {
    V r;
    for (int i = 0; i < LANES; ++i) r[i] = a[i] ? (u32)__builtin_clz(a[i]) : 32u;
    return r;
}
INL V mulhi(V a, V b) {
    V r;
    for (int i = 0; i < LANES; ++i) r[i] = (u32)((u64)a[i] * b[i] >> 32);
    return r;
}
INL bool laneb(B m, int i) { return m[i] != 0; }
INL void putb(B& m, int i, bool x) { m[i] = -(u32)x; }
#endif
#endif

// ---- several words, lowest first

template <int N>
INL void wide_mul(V* y, const V* a, const V* b) {
    for (int i = 0; i < N; ++i) y[i] = c_(0);
    for (int k = 0; k < LANES; ++k)
        for (int i = 0; i < N; ++i) {
            u64 carry = 0;
            for (int j = 0; i + j < N; ++j) {
                carry += (u64)lane(a[i], k) * lane(b[j], k) + lane(y[i + j], k);
                put(y[i + j], k, (u32)carry);
                carry >>= 32;
            }
        }
}

// y[NY] = a[NA] >> n; `fill` comes in from above. Whole words move first, by halving, then bits.
template <int NA, int NY>
INL void wide_shr(V* y, const V* a, V n, B fill) {
    const V top = sel(fill, ~0u);
    V t[NA + 1];
    for (int i = 0; i < NA; ++i) t[i] = a[i];
    t[NA] = top;
    const V words = n >> 5, bits = n & 31u;
    int reach = 1;
    for (; reach < NA; reach <<= 1) {
        const B m = nz(words & (u32)reach);
        for (int i = 0; i < NA; ++i) t[i] = mux(m, i + reach < NA ? t[i + reach] : top, t[i]);
    }
    const B inside = ltu(words, c_((u32)reach));
    for (int i = 0; i < NY; ++i) {
        const V low = i < NA ? t[i] : top, high = i + 1 < NA ? t[i + 1] : top;
        y[i] = mux(inside, shr(low, bits) | shl(high, c_(32) - bits), top);
    }
}

// y[NY] = a[NA] << n
template <int NA, int NY>
INL void wide_shl(V* y, const V* a, V n) {
    V t[NY];
    for (int i = 0; i < NY; ++i) t[i] = i < NA ? a[i] : c_(0);
    const V words = n >> 5, bits = n & 31u;
    int reach = 1;
    for (; reach < NY; reach <<= 1) {
        const B m = nz(words & (u32)reach);
        for (int i = NY - 1; i >= 0; --i) t[i] = mux(m, i >= reach ? t[i - reach] : c_(0), t[i]);
    }
    const B inside = ltu(words, c_((u32)reach));
    for (int i = NY - 1; i >= 0; --i) {
        const V low = i ? t[i - 1] : c_(0);
        y[i] = andm(inside, shl(t[i], bits) | shr(low, c_(32) - bits));
    }
}

// ---- memories: word `address`, limb l, lane k is m[(address * L + l) * stride + k]; beyond its size are zeros

template <int L>
INL void memory_read(V* y, const u32* m, V address, B enable, u32 size, u32 stride) {
    if (!any(enable)) return;
    const u32 first = lane(address, 0);
#if LANES > 1
    if (any((B)~eq(address, c_(first)))) {
        for (int k = 0; k < LANES; ++k) {
            const u32 a = lane(address, k);
            if (laneb(enable, k))
                for (int l = 0; l < L; ++l) put(y[l], k, a < size ? m[((size_t)a * L + l) * stride + k] : 0);
        }
        return;
    }
#endif
    for (int l = 0; l < L; ++l)
        y[l] = mux(enable, first < size ? ld(m + ((size_t)first * L + l) * stride) : c_(0), y[l]);
}

// The bits of `enable` take those of `data`; true if a word changed.
template <int L>
INL bool memory_write(u32* m, V address, const V* data, const V* enable, u32 size, u32 stride) {
    V all = enable[0];
    for (int l = 1; l < L; ++l) all = all | enable[l];
    if (!any(nz(all))) return false;
    u32 changed = 0;
    for (int k = 0; k < LANES; ++k) {
        const u32 a = lane(address, k);
        if (lane(all, k) == 0 || a >= size) continue;
        for (int l = 0; l < L; ++l) {
            u32* p = m + ((size_t)a * L + l) * stride + k;
            const u32 e = lane(enable[l], k), old = *p, now = (old & ~e) | (lane(data[l], k) & e);
            *p = now;
            changed |= old ^ now;
        }
    }
    return changed != 0;
}
