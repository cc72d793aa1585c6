// The gradients of keys and values: each key gathers from the queries that read it, map row by map row, without atomics.
#pragma once

#include "weight_gradient.h"

namespace {

// The K map rows of a gradient that a position row adds to. A row is complete once the last position row that reads it
// has been added; position rows come in ascending order, so the sums do not depend on how rows are split over threads.
template <class P, class T>
class GradientRows {
  using S = typename P::Scalar;

 public:
  GradientRows(const sapa::Problem& p, void* grad, std::int64_t channels)
      : p_(p), grad_(static_cast<T*>(grad)), channels_(channels), ring_(in_place<P, T> ? 0 : p.kernel_size * p.width * channels) {}
  bool ok() const { return ring_.ok(); }

  std::int64_t stride() const { return row_stride<P, T>(p_, channels_); }
  S* row(std::int64_t plane, std::int64_t y) const {
    if constexpr (in_place<P, T>) return tensor(plane, y);
    else return ring_.get() + y % p_.kernel_size * p_.width * channels_;
  }
  void open(std::int64_t plane, std::int64_t y) {
    if (channels_ == 0) return;  // an empty tensor may have no address
    for (std::int64_t x = 0; x < p_.width; ++x)
      memset(row(plane, y) + x * stride(), 0, sizeof(S) * static_cast<std::size_t>(channels_));
  }
  void close(std::int64_t plane, std::int64_t y) {
    if constexpr (!in_place<P, T>)
      for (std::int64_t x = 0; x < p_.width; ++x)
        narrow(row(plane, y) + x * stride(), tensor(plane, y) + x * p_.heads * channels_, channels_);
  }

 private:
  T* tensor(std::int64_t plane, std::int64_t y) const { return grad_ + p_.position(plane, y, 0) * channels_; }
  static void narrow(const S* from, T* to, std::int64_t size) {
    std::int64_t i = 0;
    for (; i + P::lanes <= size; i += P::lanes) P::store(to + i, P::load(from + i));
    if (i < size) P::store(to + i, P::load(from + i, static_cast<int>(size - i)), static_cast<int>(size - i));
  }

  const sapa::Problem& p_;
  T* grad_;
  std::int64_t channels_;
  Buffer<S> ring_;
};

// Adds what one position row gives to the key rows that its windows hold.
template <class P, class T>
class KeyGather {
  using S = typename P::Scalar;

 public:
  KeyGather(const sapa::Problem& p, const GuideGrid& grid)
      : p_(p), grid_(grid), readers_(p.most_rows() * p.guide_width), sums_(p.kernel_size) {}
  bool ok() const { return readers_.ok() && sums_.ok(); }

  // The key rows begin .. end of the row y, whose weights and score gradients are (groups, queries, taps, lanes); `grads` and
  // `queries` are its guide rows.
  void add(GradientRows<P, T>& grad_values, const S* weights, const S* grads, GradientRows<P, T>& grad_keys, const S* score_grads,
           const S* queries, std::int64_t plane, std::int64_t y, std::int64_t begin, std::int64_t end) {
    const std::int64_t low = most(begin, p_.window_row(y)), high = least(end, p_.window_row(y) + p_.kernel_size);
    list_readers(y);
    for (std::int64_t column = 0; column < p_.width; ++column) {
      gather(grad_values, weights, grads, p_.channels, plane, y, column, low, high);
      gather(grad_keys, score_grads, queries, p_.embedding, plane, y, column, low, high);
    }
  }

 private:
  // The queries of row y, position by position, so that those of neighbouring positions lie together. A window that begins at
  // `left` holds a column at tap column - left: here `left` is taken off, and gather() adds the rest.
  void list_readers(std::int64_t y) {
    const std::int64_t rows = grid_.rows(y), size = p_.taps() * P::lanes, group = rows * grid_.columns * size;
    Reader* reader = readers_.get();
    for (std::int64_t x = 0; x < p_.width; ++x)
      for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t c = 0; c < grid_.count(x); ++c)
          *reader++ = {x / P::lanes * group + x % P::lanes + (row * grid_.columns + c) * size - p_.window_column(x) * P::lanes,
                       row * p_.guide_width + grid_.first(x) + c};
  }

  // sums += weights * pixels over the queries of row y that read one column, for the map rows low .. high.
  void gather(GradientRows<P, T>& grads, const S* weights, const S* pixels, std::int64_t channels, std::int64_t plane,
              std::int64_t y, std::int64_t column, std::int64_t low, std::int64_t high) {
    const std::int64_t first = grid_.rows(y) * grid_.first(p_.first_reader(column));
    const std::int64_t last = grid_.rows(y) * grid_.first(p_.past_reader(column, p_.width));
    const std::int64_t stride = p_.kernel_size * P::lanes, rows = high - low;
    const std::int64_t tap = (low - p_.window_row(y)) * p_.kernel_size + column;
    for (std::int64_t n = 0; n < rows; ++n) sums_.get()[n] = grads.row(plane, low + n) + column * grads.stride();
    for (std::int64_t n = 0; n < rows; n += P::rows)
      with_count<P::rows>(static_cast<int>(least(P::rows, rows - n)), [&](auto r) {
        for_channels<P>(channels, [&](auto vectors, auto tailed, std::int64_t channel, int tail) {
          gather_block<P, decltype(r)::value, decltype(vectors)::value, decltype(tailed)::value != 0>(
              readers_.get() + first, last - first, weights, tap * P::lanes + n * stride, stride, pixels, grads.stride(), channel, tail,
              sums_.get() + n);
        });
      });
  }

  const sapa::Problem& p_;
  const GuideGrid& grid_;
  Buffer<Reader> readers_;
  Buffer<S*> sums_;
};

}  // namespace
