// Lanes in plain C++ (GCC and Clang vector extensions): any x86-64 processor, and the only path for float64.
#pragma once

#include <cmath>

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include "problem.h"

namespace {

inline float widen(sapa::BFloat16 x) { return static_cast<float>(c10::BFloat16(x.bits, c10::BFloat16::from_bits())); }
inline float widen(sapa::Float16 x) { return static_cast<float>(c10::Half(x.bits, c10::Half::from_bits())); }
template <class S>
S widen(S x) { return x; }
inline void narrow(float x, sapa::BFloat16& y) { y.bits = c10::BFloat16(x).x; }
inline void narrow(float x, sapa::Float16& y) { y.bits = c10::Half(x).x; }
template <class S>
void narrow(S x, S& y) { y = x; }

template <class S>
struct PortablePack {
  using Scalar = S;
  typedef S Vec __attribute__((vector_size(16)));
  static constexpr int lanes = 16 / sizeof(S);
  static constexpr int taps = 3, channels = 2, rows = 5;

  static Vec zero() { return Vec{}; }
  static Vec set(S x) { return Vec{} + x; }
  static Vec add(Vec a, Vec b) { return a + b; }
  static Vec sub(Vec a, Vec b) { return a - b; }
  static Vec mul(Vec a, Vec b) { return a * b; }
  static Vec div(Vec a, Vec b) { return a / b; }
  static Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
  static Vec max(Vec a, Vec b) { return a > b ? a : b; }  // b where either is not a number

  static Vec keep(Vec v) { return v; }
  template <class T>
  static Vec load(const T* p, int count = lanes) {
    Vec v{};
    for (int i = 0; i < count; ++i) v[i] = widen(p[i]);
    return v;
  }
  template <class T>
  static void store(T* p, Vec v, int count = lanes) {
    for (int i = 0; i < count; ++i) narrow(static_cast<S>(v[i]), p[i]);
  }
  // Lane i of the result is v's lane lane[i].
  static Vec pick(Vec v, const std::int32_t* lane) {
    Vec picked;
    for (int i = 0; i < lanes; ++i) picked[i] = v[lane[i]];
    return picked;
  }
  // Keeps the lanes whose column (start + lane) lies in 0 .. width, puts `other` in the rest.
  static Vec keep_columns(Vec v, std::int64_t start, std::int64_t width, Vec other) {
    for (int i = 0; i < lanes; ++i)
      if (start + i < 0 || start + i >= width) v[i] = other[i];
    return v;
  }
  static Vec exp(Vec x) {
    for (int i = 0; i < lanes; ++i) x[i] = std::exp(static_cast<S>(x[i]));
    return x;
  }
  // The lanes of each of `lanes` stored vectors are summed; lane i of the result belongs to vector i.
  static Vec sum_lanes(const S* m) {
    Vec sum{};
    for (int i = 0; i < lanes; ++i)
      for (int j = 0; j < lanes; ++j) sum[i] += m[i * lanes + j];
    return sum;
  }

  static void transpose(Vec (&m)[lanes]) {
    for (int i = 0; i < lanes; ++i)
      for (int j = 0; j < i; ++j) {
        const S x = m[i][j];
        m[i][j] = m[j][i];
        m[j][i] = x;
      }
  }
};

}  // namespace
