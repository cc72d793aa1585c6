// Sixteen float lanes on AVX-512.
#pragma once

#include <immintrin.h>

#include "exponential.h"
#include "problem.h"

namespace {

struct Pack {
  using Scalar = float;
  using Vec = __m512;
  static constexpr int lanes = 16;
  // Register blocks: 4 queries x `taps`, 4 queries x `channels` and `rows` x `channels` accumulators.
  static constexpr int taps = 5, channels = 4, rows = 5;

  static __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec set(float x) { return _mm512_set1_ps(x); }
  static Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
  static Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }  // b where either is not a number

  static Vec keep(Vec v) { return v; }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static Vec load(const float* p, int count) { return _mm512_maskz_loadu_ps(first(count), p); }
  static void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Vec v, int count) { _mm512_mask_storeu_ps(p, first(count), v); }

  static Vec widen(__m256i bits, sapa::BFloat16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Vec widen(__m256i bits, sapa::Float16) { return _mm512_cvtph_ps(bits); }
  static __m256i narrow(Vec v, sapa::BFloat16) {  // to nearest, ties to even; not-a-number stays one
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
  }
  static __m256i narrow(Vec v, sapa::Float16) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }

  template <class Half>
  static Vec load(const Half* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), Half{}); }
  template <class Half>
  static Vec load(const Half* p, int count) { return widen(_mm256_maskz_loadu_epi16(first(count), p), Half{}); }
  template <class Half>
  static void store(Half* p, Vec v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(v, Half{})); }
  template <class Half>
  static void store(Half* p, Vec v, int count) { _mm256_mask_storeu_epi16(p, first(count), narrow(v, Half{})); }

  // Lane i of the result is v's lane lane[i].
  static Vec pick(Vec v, const std::int32_t* lane) { return _mm512_permutexvar_ps(_mm512_loadu_si512(lane), v); }
  // Keeps the lanes whose column (start + lane) lies in 0 .. width, puts `other` in the rest.
  static Vec keep_columns(Vec v, std::int64_t start, std::int64_t width, Vec other) {
    const std::int64_t low = start < 0 ? -start : 0, high = width - start < lanes ? width - start : lanes;
    if (low >= lanes || high <= low) return other;
    return _mm512_mask_mov_ps(other, static_cast<__mmask16>(first(static_cast<int>(high)) & ~first(static_cast<int>(low))), v);
  }

  // exp for x <= 0, 1 unit in the last place; x below -104 gives 0, not-a-number stays.
  static Vec exp(Vec x) {
    const Exponential<Pack> e(max(set(-104.0f), x));
    return _mm512_scalef_ps(e.fraction, e.power);
  }

  // The lanes of each of `lanes` stored vectors are summed; lane i of the result belongs to vector i.
  static Vec sum_lanes(const float* m) {
    Vec s[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {  // quarters: 4 partial sums of vectors i, i + 4, i + 8, i + 12
      const Vec a = sum_halves(m + i * lanes, m + (i + 4) * lanes), b = sum_halves(m + (i + 8) * lanes, m + (i + 12) * lanes);
      s[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    }
    const Vec a = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
    const Vec b = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  }
  static Vec sum_halves(const float* a, const float* b) {  // joined while loading, which no shuffle port has to do
    const Vec low = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1);
    return _mm512_add_ps(low, _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a + 8)), _mm256_loadu_ps(b + 8), 1));
  }

  static void transpose(Vec (&m)[lanes]) {
    Vec t[lanes];
    for (int i = 0; i < 16; i += 4) {  // 4 x 4 blocks inside each 128-bit quarter
      const Vec a = _mm512_unpacklo_ps(m[i], m[i + 1]), b = _mm512_unpackhi_ps(m[i], m[i + 1]);
      const Vec c = _mm512_unpacklo_ps(m[i + 2], m[i + 3]), d = _mm512_unpackhi_ps(m[i + 2], m[i + 3]);
      t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
      t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(c)));
      t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
      t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b), _mm512_castps_pd(d)));
    }
    for (int i = 0; i < 4; ++i) {  // then the 4 x 4 quarters themselves
      const Vec a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
      const Vec c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
      m[i] = _mm512_shuffle_f32x4(a, c, 0x88);
      m[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
      m[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
      m[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
  }
};

}  // namespace
