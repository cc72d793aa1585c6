// The softmax weights of `lanes` neighbouring positions: scores, border rule and normalization.
#pragma once

#include <math.h>

#include "bias.h"

namespace {

// In place: logits (size * size taps, lanes) of one query become its weights. Tap rows are summed apart: with many equal
// taps outside the map one running sum would lose bits.
template <class P>
inline void softmax(typename P::Scalar* logits, std::int64_t size) {
  typename P::Vec best = P::load(logits);
  for (std::int64_t t = 1; t < size * size; ++t) best = P::max(best, P::load(logits + t * P::lanes));
  typename P::Vec sum = P::zero();
  for (std::int64_t n = 0; n < size; ++n) {
    typename P::Vec row = P::zero();
    for (std::int64_t t = n * size; t < (n + 1) * size; ++t) {
      const typename P::Vec w = P::exp(P::sub(P::load(logits + t * P::lanes), best));
      P::store(logits + t * P::lanes, w);
      row = P::add(row, w);
    }
    sum = P::add(sum, row);
  }
  const typename P::Vec scale = P::div(P::set(1), sum);
  for (std::int64_t t = 0; t < size * size; ++t)
    P::store(logits + t * P::lanes, P::mul(scale, P::load(logits + t * P::lanes)));
}

// Computes the weights of the queries of positions (y, x .. x + lanes).
template <class P, class T>
class Attention {
  using S = typename P::Scalar;

 public:
  Attention(const sapa::Problem& p, const GuideGrid& grid, const void* query, const sapa::Bias& bias)
      : p_(p), grid_(grid), query_(static_cast<const T*>(query)), bias_(p, grid, bias), transposed_(4 * p.embedding * P::lanes) {}
  bool ok() const { return bias_.ok() && transposed_.ok(); }

  // weights (slots, taps, lanes) of some queries of each position.
  void weights(const TransposedKeys<P, T>& keys, std::int64_t plane, std::int64_t y, std::int64_t x, const Slots& slots,
               S* out) {
    load_queries(plane, x, slots);
    const std::int64_t taps = p_.taps(), size = p_.kernel_size, left = p_.window_column(x);
    const bool moved = find_lanes(x, left);
    const int count = slots.count;
    for (std::int64_t n = 0; n < size; ++n) {
      const std::int64_t row = p_.window_row(y) + n;
      S* at = out + n * size * P::lanes;
      if (row < 0 || row >= p_.height) {
        const S logit = p_.border == sapa::Border::mask ? -static_cast<S>(INFINITY) : 0;
        for (int q = 0; q < count; ++q)
          for (std::int64_t i = 0; i < size * P::lanes; ++i) at[q * taps * P::lanes + i] = logit;
        continue;
      }
      for (std::int64_t m = 0; m < size; m += P::taps) {
        const S* key = keys.row(row) + p_.radius() + left + m;
        with_count<P::taps>(static_cast<int>(least(P::taps, size - m)), [&](auto t) {
          with_count<4>(count, [&](auto q) {
            constexpr int Q = decltype(q)::value, T_ = decltype(t)::value;
            const auto score = moved ? score_block<P, Q, T_, true> : score_block<P, Q, T_, false>;
            score(transposed_.get(), key, p_.embedding, keys.stride(), lanes_, at + m * P::lanes, taps * P::lanes);
          });
        });
      }
    }
    bias_.add(y, x, slots, out);
    if (p_.border == sapa::Border::mask) mask_columns(x, count, out);
    for (int q = 0; q < count; ++q) softmax<P>(out + q * taps * P::lanes, size);
  }

  // Prefetches the queries of one position of the next group; behind the last group of a row comes the next row's first.
  void prefetch_next(std::int64_t plane, std::int64_t y, std::int64_t group, std::int64_t lane) const {
    const bool wraps = group + P::lanes >= p_.width;
    const std::int64_t next = wraps ? y + 1 : y, x = wraps ? lane : group + P::lanes + lane;
    if (next >= p_.height || x >= p_.width) return;
    for (std::int64_t row = grid_.first_row(next); row < grid_.first_row(next + 1); ++row) {
      const T* from = query_ + p_.pixel(plane, row, grid_.first(x)) * p_.embedding;
      if (p_.heads == 1) prefetch(from, grid_.count(x) * p_.embedding);
      else
        for (std::int64_t c = 0; c < grid_.count(x); ++c) prefetch(from + c * p_.heads * p_.embedding, p_.embedding);
    }
  }

 private:
  void load_queries(std::int64_t plane, std::int64_t x, const Slots& slots) {
    for (int q = 0; q < slots.count; ++q) {
      const std::int64_t column = slots.column[q];
      const T* from = query_ + p_.pixel(plane, slots.top + slots.row[q], 0) * p_.embedding;
      const T* source[P::lanes];
      for (int i = 0; i < P::lanes; ++i) {  // an unfilled slot reads the position's first query; its result is dropped
        const std::int64_t at = least(x + i, p_.width - 1);
        source[i] = from + (grid_.first(at) + (column < grid_.count(at) ? column : 0)) * p_.heads * p_.embedding;
      }
      transpose_rows<P>(source, p_.embedding, transposed_.get() + q * p_.embedding * P::lanes, P::lanes);
    }
  }

  // How far the windows of the positions from x on begin behind the first one's, and whether any was moved.
  bool find_lanes(std::int64_t x, std::int64_t left) {
    bool moved = left != x - p_.radius();
    for (int i = 0; i < P::lanes; ++i) {
      lanes_[i] = static_cast<std::int32_t>(p_.window_column(x + i) - left);
      moved = moved || lanes_[i] != i;
    }
    return moved;
  }

  void mask_columns(std::int64_t x, int count, S* out) const {
    const typename P::Vec outside = P::set(-static_cast<S>(INFINITY));
    for (std::int64_t t = 0; t < count * p_.taps(); ++t)
      P::store(out + t * P::lanes,
               P::keep_columns(P::load(out + t * P::lanes), x + t % p_.kernel_size - p_.radius(), p_.width, outside));
  }

  const sapa::Problem& p_;
  const GuideGrid& grid_;
  const T* query_;
  PlaceBias<P> bias_;
  Buffer<S> transposed_;
  std::int32_t lanes_[P::lanes];
};

}  // namespace
