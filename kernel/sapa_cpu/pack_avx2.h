// Eight float lanes on AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include "exponential.h"
#include "problem.h"

namespace {

struct Pack {
  using Scalar = float;
  using Vec = __m256;
  static constexpr int lanes = 8;
  // Register blocks, as in pack_avx512.h, for sixteen registers.
  static constexpr int taps = 3, channels = 2, rows = 5;

  static __m256i first(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec set(float x) { return _mm256_set1_ps(x); }
  static Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
  static Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }  // b where either is not a number

  // Keeps a value in its register: short of registers, g++ reads it from memory again for each of its products.
  static Vec keep(Vec v) {
#if defined(__GNUC__)
    asm("" : "+x"(v));
#endif
    return v;
  }
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static Vec load(const float* p, int count) { return _mm256_maskload_ps(p, first(count)); }
  static void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, Vec v, int count) { _mm256_maskstore_ps(p, first(count), v); }

  static Vec widen(__m128i bits, sapa::BFloat16) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static Vec widen(__m128i bits, sapa::Float16) { return _mm256_cvtph_ps(bits); }
  static __m128i narrow(Vec v, sapa::BFloat16) {  // to nearest, ties to even; not-a-number stays one
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
  }
  static __m128i narrow(Vec v, sapa::Float16) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }

  template <class Half>
  static Vec load(const Half* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), Half{}); }
  template <class Half>
  static Vec load(const Half* p, int count) {
    Half part[lanes] = {};
    for (int i = 0; i < count; ++i) part[i] = p[i];
    return load(part);
  }
  template <class Half>
  static void store(Half* p, Vec v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(v, Half{})); }
  template <class Half>
  static void store(Half* p, Vec v, int count) {
    Half part[lanes];
    store(part, v);
    for (int i = 0; i < count; ++i) p[i] = part[i];
  }

  // Lane i of the result is v's lane lane[i].
  static Vec pick(Vec v, const std::int32_t* lane) {
    return _mm256_permutevar8x32_ps(v, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane)));
  }
  // Keeps the lanes whose column (start + lane) lies in 0 .. width, puts `other` in the rest.
  static Vec keep_columns(Vec v, std::int64_t start, std::int64_t width, Vec other) {
    const std::int64_t low = start < 0 ? -start : 0, high = width - start < lanes ? width - start : lanes;
    if (low >= lanes || high <= low) return other;
    const __m256i kept = _mm256_andnot_si256(first(static_cast<int>(low)), first(static_cast<int>(high)));
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(kept));
  }

  // exp as in pack_avx512.h; x below -87.3 gives 1e-38, not-a-number stays.
  static Vec exp(Vec x) {
    const Exponential<Pack> e(max(set(-87.3f), x));
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(e.power), _mm256_set1_epi32(127)), 23);
    return mul(e.fraction, _mm256_castsi256_ps(power));
  }

  // The lanes of each of `lanes` stored vectors are summed; lane i of the result belongs to vector i.
  static Vec sum_lanes(const float* m) {
    Vec s[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {  // halves: 4 partial sums of vectors i and i + 4
      const float *a = m + i * lanes, *b = a + 4 * lanes;
      const Vec low = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
      s[i] = _mm256_add_ps(low, _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a + 4)), _mm_loadu_ps(b + 4), 1));
    }
    const Vec a = _mm256_add_ps(_mm256_unpacklo_ps(s[0], s[1]), _mm256_unpackhi_ps(s[0], s[1]));
    const Vec b = _mm256_add_ps(_mm256_unpacklo_ps(s[2], s[3]), _mm256_unpackhi_ps(s[2], s[3]));
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
  }

  static void transpose(Vec (&m)[lanes]) {
    Vec t[lanes];
    for (int i = 0; i < 8; i += 4) {  // 4 x 4 blocks inside each 128-bit half
      const Vec a = _mm256_unpacklo_ps(m[i], m[i + 1]), b = _mm256_unpackhi_ps(m[i], m[i + 1]);
      const Vec c = _mm256_unpacklo_ps(m[i + 2], m[i + 3]), d = _mm256_unpackhi_ps(m[i + 2], m[i + 3]);
      t[i] = _mm256_shuffle_ps(a, c, 0x44);
      t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
      t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
      t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      m[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
      m[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
  }
};

}  // namespace
