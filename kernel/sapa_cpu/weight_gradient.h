// The gradient of the scores: products of the output gradient with the window's values, then the softmax backward.
#pragma once

#include "forward.h"

namespace {

// Sums the lanes of each of P::lanes vectors; lane i of the result belongs to vector i.
template <class P>
inline typename P::Vec sum_lanes(typename P::Vec (&m)[P::lanes]) {
  P::transpose(m);
  typename P::Vec sum = m[0];
  for (int i = 1; i < P::lanes; ++i) sum = P::add(sum, m[i]);
  return sum;
}

template <class P>
class WeightGradient {
  using S = typename P::Scalar;

 public:
  explicit WeightGradient(const sapa::Problem& p)
      : p_(p), padded_(round_up(4 * p.taps(), P::lanes)), zeros_(p.channels), partial_(padded_ * P::lanes),
        products_(P::lanes * padded_), transposed_(padded_ * P::lanes), sources_(p.kernel_size) {
    if (!ok()) return;
    memset(zeros_.get(), 0, sizeof(S) * static_cast<std::size_t>(p.channels));
    memset(products_.get(), 0, sizeof(S) * static_cast<std::size_t>(P::lanes * padded_));
  }
  bool ok() const { return zeros_.ok() && partial_.ok() && products_.ok() && transposed_.ok() && sources_.ok(); }

  // score_grads (count, taps, lanes) = weights * (products - sum over taps of weights * products), for the queries
  // first .. first + count of the positions (y, x .. x + lanes); grad_rows: the guide rows of the output gradient.
  void score_gradients(const GuideGrid& grid, const S* const* values, const S* const* grad_rows, std::int64_t y,
                       std::int64_t x, std::int64_t first, int count, const S* weights, S* score_grads) {
    const int lanes = static_cast<int>(least(P::lanes, p_.width - x));
    for (int lane = 0; lane < lanes; ++lane) {
      const S* grad[4];
      for (int q = 0; q < count; ++q) {  // an unfilled slot reads the position's first query; its result is dropped
        const std::int64_t column = (first + q) % grid.columns;
        grad[q] = grad_rows[(first + q) / grid.columns] +
                  (grid.first(x + lane) + (column < grid.count(x + lane) ? column : 0)) * p_.channels;
      }
      position_products(window_at(p_, values, y, x + lane), grad, count);
      reduce(products_.get() + lane * padded_, count * p_.taps());
    }
    to_lanes(count * p_.taps());
    for (int q = 0; q < count; ++q) {
      const std::int64_t at = q * p_.taps() * P::lanes;
      softmax_backward(weights + at, transposed_.get() + at, score_grads + at);
    }
  }

 private:
  void position_products(const Window<S>& window, const S* const* grad, int count) {
    const std::int64_t size = p_.kernel_size, stride = p_.taps() * P::lanes;
    for (std::int64_t n = 0; n < size; ++n) {
      S* at = partial_.get() + n * size * P::lanes;
      if (n < window.first_row || n >= window.last_row) {
        for (int q = 0; q < count; ++q)
          for (std::int64_t m = 0; m < size; ++m) P::store(at + q * stride + m * P::lanes, P::zero());
        continue;
      }
      const S** source = sources_.get();
      for (std::int64_t m = 0; m < size; ++m)
        source[m] = m < window.first_column || m >= window.last_column ? zeros_.get()
                                                                       : window.rows[n] + (window.column + m) * p_.channels;
      for (std::int64_t m = 0; m < size; m += P::taps)
        with_count<P::taps>(static_cast<int>(least(P::taps, size - m)), [&](auto t) {
          with_count<4>(count, [&](auto q) {
            product_block<P, decltype(q)::value, decltype(t)::value>(source + m, p_.channels, grad, at + m * P::lanes, stride);
          });
        });
    }
  }

  void reduce(S* out, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; i += P::lanes) {
      typename P::Vec block[P::lanes];
      for (int j = 0; j < P::lanes; ++j) block[j] = P::load(partial_.get() + (i + j) * P::lanes);
      P::store(out + i, sum_lanes<P>(block));
    }
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
  std::int64_t padded_;
  Buffer<S> zeros_, partial_, products_, transposed_;
  Buffer<const S*> sources_;
};

}  // namespace
