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
  void open(std::int64_t image, std::int64_t y) {
    if (size_ > 0) memset(row(image, y), 0, sizeof(S) * static_cast<std::size_t>(size_));  // an empty tensor may have no address
  }
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
           const S* queries, std::int64_t image, std::int64_t y, std::int64_t begin, std::int64_t end) {
    const std::int64_t low = most(begin, y - p_.radius()), high = least(end, y + p_.radius() + 1);
    list_readers(y);
    for (std::int64_t column = 0; column < p_.width; ++column) {
      gather(grad_values, weights, grads, p_.channels, image, y, column, low, high);
      gather(grad_keys, score_grads, queries, p_.embedding, image, y, column, low, high);
    }
  }

 private:
  // The queries of row y, position by position, so that those of neighbouring positions lie together. The window of position
  // x holds a column at tap column - x + radius: here x is taken off, and gather() adds the rest.
  void list_readers(std::int64_t y) {
    const std::int64_t rows = grid_.rows(y), size = p_.taps() * P::lanes, group = rows * grid_.columns * size;
    Reader* reader = readers_.get();
    for (std::int64_t x = 0; x < p_.width; ++x)
      for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t c = 0; c < grid_.count(x); ++c)
          *reader++ = {x / P::lanes * group + x % P::lanes + (row * grid_.columns + c) * size - x * P::lanes,
                       row * p_.guide_width + grid_.first(x) + c};
  }

  // sums += weights * pixels over the queries of row y that read one column, for the map rows low .. high.
  void gather(GradientRows<P, T>& grads, const S* weights, const S* pixels, std::int64_t channels, std::int64_t image,
              std::int64_t y, std::int64_t column, std::int64_t low, std::int64_t high) {
    const std::int64_t first = grid_.rows(y) * grid_.first(most(0, column - p_.radius()));
    const std::int64_t last = grid_.rows(y) * grid_.first(least(p_.width, column + p_.radius() + 1));
    const std::int64_t stride = p_.kernel_size * P::lanes, rows = high - low;
    const std::int64_t tap = (low - y + p_.radius()) * p_.kernel_size + column + p_.radius();
    for (std::int64_t n = 0; n < rows; ++n) sums_.get()[n] = grads.row(image, low + n) + column * channels;
    for (std::int64_t n = 0; n < rows; n += P::rows)
      with_count<P::rows>(static_cast<int>(least(P::rows, rows - n)), [&](auto r) {
        for_channels<P>(channels, [&](auto vectors, auto tailed, std::int64_t channel, int tail) {
          gather_block<P, decltype(r)::value, decltype(vectors)::value, decltype(tailed)::value != 0>(
              readers_.get() + first, last - first, weights, tap * P::lanes + n * stride, stride, pixels, channels, channel, tail,
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
