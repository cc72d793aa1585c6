// The gradients of keys and values: each key gathers from the queries that read it, map row by map row, without atomics.
#pragma once

#include "weight_gradient.h"

namespace {

// The K map rows of a gradient that a position row adds to. A row is complete once the last position row that reads it
// has been added; position rows come in ascending order, so the sums do not depend on how rows are split over threads.
template <class P, class T>
class GradientRows {
  using S = typename P::Scalar;
  static constexpr bool direct = same<T, S>;

 public:
  GradientRows(const sapa::Problem& p, void* grad, std::int64_t channels)
      : p_(p), grad_(static_cast<T*>(grad)), size_(p.width * channels), ring_(direct ? 0 : p.kernel_size * size_) {}
  bool ok() const { return ring_.ok(); }

  S* row(std::int64_t image, std::int64_t y) const {
    if constexpr (direct) return grad_ + (image * p_.height + y) * size_;
    else return ring_.get() + y % p_.kernel_size * size_;
  }
  void open(std::int64_t image, std::int64_t y) { memset(row(image, y), 0, sizeof(S) * static_cast<std::size_t>(size_)); }
  void close(std::int64_t image, std::int64_t y) {
    if constexpr (!direct) narrow_row(row(image, y), grad_ + (image * p_.height + y) * size_);
  }

 private:
  void narrow_row(const S* from, T* to) const {
    std::int64_t i = 0;
    for (; i + P::lanes <= size_; i += P::lanes) P::store(to + i, P::load(from + i));
    if (i < size_) P::store(to + i, P::load(from + i, static_cast<int>(size_ - i)), static_cast<int>(size_ - i));
  }

  const sapa::Problem& p_;
  T* grad_;
  std::int64_t size_;
  Buffer<S> ring_;
};

// One key column: sums[n] += sum over `readers` of weights[n] * source, for the map rows n = 0 .. rows.
template <class P>
inline void gather(const Reader<typename P::Scalar>* readers, int count, std::int64_t weight_stride, std::int64_t rows,
                   std::int64_t channels, typename P::Scalar* const* sums, Reader<typename P::Scalar>* shifted) {
  for (std::int64_t n = 0; n < rows; n += P::rows) {
    for (int i = 0; i < count; ++i) shifted[i] = {readers[i].weights + n * weight_stride, readers[i].source};
    with_count<P::rows>(static_cast<int>(least(P::rows, rows - n)), [&](auto r) {
      for_channels<P>(channels, [&](auto vectors, auto tailed, std::int64_t channel, int tail) {
        gather_block<P, decltype(r)::value, decltype(vectors)::value, decltype(tailed)::value != 0>(
            shifted, count, weight_stride, channel, tail, sums + n);
      });
    });
  }
}

// Adds what the position row y gives to the key rows inside begin .. end.
template <class P, class T>
class KeyGather {
  using S = typename P::Scalar;

 public:
  KeyGather(const sapa::Problem& p, const GuideGrid& grid)
      : p_(p), grid_(grid), readers_(2 * p.kernel_size * grid.columns * p.most_rows()), sums_(p.kernel_size) {}
  bool ok() const { return readers_.ok() && sums_.ok(); }

  // weights: (groups, queries, taps, lanes) of the row; sources: its guide rows, (guide_width, channels) each.
  void add(GradientRows<P, T>& grads, const S* weights, const S* const* sources, std::int64_t channels, std::int64_t image,
           std::int64_t y, std::int64_t begin, std::int64_t end) {
    const std::int64_t low = most(begin, y - p_.radius()), high = least(end, y + p_.radius() + 1);
    const std::int64_t size = p_.kernel_size, queries = grid_.rows(y) * grid_.columns, group = queries * p_.taps() * P::lanes;
    Reader<S>* const readers = readers_.get();
    for (std::int64_t column = 0; column < p_.width; ++column) {
      int count = 0;
      for (std::int64_t x = most(0, column - p_.radius()); x <= least(p_.width - 1, column + p_.radius()); ++x) {
        const std::int64_t tap = (low - y + p_.radius()) * size + column - x + p_.radius();
        const S* at = weights + x / P::lanes * group + tap * P::lanes + x % P::lanes;
        for (std::int64_t row = 0; row < grid_.rows(y); ++row)
          for (std::int64_t c = 0; c < grid_.count(x); ++c)
            readers[count++] = {at + (row * grid_.columns + c) * p_.taps() * P::lanes,
                                sources[row] + (grid_.first(x) + c) * channels};
      }
      for (std::int64_t row = low; row < high; ++row) sums_.get()[row - low] = grads.row(image, row) + column * channels;
      gather<P>(readers, count, size * P::lanes, high - low, channels, sums_.get(), readers + count);
    }
  }

 private:
  const sapa::Problem& p_;
  const GuideGrid& grid_;
  Buffer<Reader<S>> readers_;
  Buffer<S*> sums_;
};

}  // namespace
