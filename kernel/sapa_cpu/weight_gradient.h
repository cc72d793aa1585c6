// The gradient of the scores: products of the output gradient with the window's values, then the softmax backward.
#pragma once

#include "forward.h"

namespace {

template <class P, class T>
class WeightGradient {
  using S = typename P::Scalar;

 public:
  explicit WeightGradient(const sapa::Problem& p)
      : p_(p), stride_(row_stride<P, T>(p, p.channels)), padded_(round_up(4 * p.taps(), P::lanes)), zeros_(p.channels), partial_(padded_ * P::lanes),
        products_(P::lanes * padded_), transposed_(padded_ * P::lanes), sources_(p.kernel_size) {
    if (!ok()) return;
    memset(zeros_.get(), 0, sizeof(S) * static_cast<std::size_t>(p.channels));
    memset(products_.get(), 0, sizeof(S) * static_cast<std::size_t>(P::lanes * padded_));
  }
  bool ok() const { return zeros_.ok() && partial_.ok() && products_.ok() && transposed_.ok() && sources_.ok(); }

  // score_grads (slots, taps, lanes) = weights * (products - sum over taps of weights * products), for some queries of the
  // positions (y, x .. x + lanes); grad_rows: the guide rows of the output gradient.
  void score_gradients(const GuideGrid& grid, const S* const* values, const S* const* grad_rows, std::int64_t y,
                       std::int64_t x, const Slots& slots, const S* weights, S* score_grads) {
    const int count = slots.count;
    const int lanes = static_cast<int>(least(P::lanes, p_.width - x));
    for (int lane = 0; lane < lanes; ++lane) {
      const S *grad[4], *next[4];
      const std::int64_t step = (grid.first(least(x + lane + 1, p_.width - 1)) - grid.first(x + lane)) * stride_;
      for (int q = 0; q < count; ++q) {  // an unfilled slot reads the position's first query; its result is dropped
        const std::int64_t column = slots.column[q];
        grad[q] = grad_rows[slots.row[q]] +
                  (grid.first(x + lane) + (column < grid.count(x + lane) ? column : 0)) * stride_;
        next[q] = grad[q] + step;
      }
      position_products(window_at(p_, values, stride_, y, x + lane), grad, next, count);
      reduce(products_.get() + lane * padded_, count * p_.taps());
    }
    to_lanes(count * p_.taps());
    for (int q = 0; q < count; ++q) {
      const std::int64_t at = q * p_.taps() * P::lanes;
      softmax_backward(weights + at, transposed_.get() + at, score_grads + at);
    }
  }

 private:
  // `next`: what the next position needs is fetched meanwhile, a part for each tap row.
  void position_products(const Window<S>& window, const S* const* grad, const S* const* next, int count) {
    const std::int64_t size = p_.kernel_size, stride = p_.taps() * P::lanes, part = (p_.channels + size - 1) / size;
    for (std::int64_t n = 0; n < size; ++n) {
      for (int q = 0; q < count; ++q) prefetch(next[q] + n * part, part);
      S* at = partial_.get() + n * size * P::lanes;
      if (n < window.first_row || n >= window.last_row) {
        for (int q = 0; q < count; ++q)
          for (std::int64_t m = 0; m < size; ++m) P::store(at + q * stride + m * P::lanes, P::zero());
        continue;
      }
      const S** source = sources_.get();
      for (std::int64_t m = 0; m < size; ++m)
        source[m] = m < window.first_column || m >= window.last_column ? zeros_.get()
                                                                       : window.rows[n] + (window.column + m) * stride_;
      for (std::int64_t m = 0; m < size; m += P::taps)
        with_count<P::taps>(static_cast<int>(least(P::taps, size - m)), [&](auto t) {
          with_count<4>(count, [&](auto q) {
            product_block<P, decltype(q)::value, decltype(t)::value>(source + m, p_.channels, grad, at + m * P::lanes, stride);
          });
        });
    }
  }

  void reduce(S* out, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; i += P::lanes) P::store(out + i, P::sum_lanes(partial_.get() + i * P::lanes));
  }

  void to_lanes(std::int64_t count) const {
    for (std::int64_t i = 0; i < count; i += P::lanes) {
      typename P::Vec block[P::lanes];
      for (int j = 0; j < P::lanes; ++j) block[j] = P::load(products_.get() + j * padded_ + i);
      P::transpose(block);
      for (int j = 0; j < P::lanes; ++j) P::store(transposed_.get() + (i + j) * P::lanes, block[j]);
    }
  }

  void softmax_backward(const S* weights, const S* products, S* out) const {
    typename P::Vec mean = P::zero();
    for (std::int64_t t = 0; t < p_.taps(); ++t)
      mean = P::fma(P::load(weights + t * P::lanes), P::load(products + t * P::lanes), mean);
    for (std::int64_t t = 0; t < p_.taps(); ++t)
      P::store(out + t * P::lanes, P::mul(P::load(weights + t * P::lanes), P::sub(P::load(products + t * P::lanes), mean)));
  }

  const sapa::Problem& p_;
  std::int64_t stride_, padded_;
  Buffer<S> zeros_, partial_, products_, transposed_;
  Buffer<const S*> sources_;
};

}  // namespace
