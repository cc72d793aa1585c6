// Logits by place: what a query's guide row adds to the window's rows, and its guide column to the window's columns.
#pragma once

#include "rows.h"

namespace {

template <class P>
class PlaceBias {
  using S = typename P::Scalar;

 public:
  PlaceBias(const sapa::Problem& p, const GuideGrid& grid, const sapa::Bias& bias)
      : p_(p), rows_(static_cast<const S*>(bias.rows)), stride_(round_up(p.width, P::lanes)),
        columns_(rows_ && grid.ok() ? grid.columns * p.kernel_size * stride_ : 0) {
    if (!rows_ || !columns_.ok() || !grid.ok()) return;
    const std::int64_t size = p.kernel_size;
    for (std::int64_t x = 0; x < stride_; ++x) {
      const std::int64_t at = least(x, p.width - 1);
      for (std::int64_t c = 0; c < grid.columns; ++c) {  // an unfilled slot reads the position's first; its result is dropped
        const S* from = static_cast<const S*>(bias.columns) + (grid.first(at) + (c < grid.count(at) ? c : 0)) * size;
        for (std::int64_t m = 0; m < size; ++m) columns_.get()[(c * size + m) * stride_ + x] = from[m];
      }
    }
  }
  bool ok() const { return columns_.ok(); }

  // Adds to the logits (slots, taps, lanes) of some queries of the positions (y, x .. x + lanes).
  void add(std::int64_t y, std::int64_t x, const Slots& slots, S* logits) const {
    if (!rows_) return;
    const std::int64_t size = p_.kernel_size;
    for (int q = 0; q < slots.count; ++q) {
      const S* row = rows_ + (slots.top + slots.row[q]) * size;
      const S* column = columns_.get() + slots.column[q] * size * stride_ + x;
      for (std::int64_t n = 0; n < size; ++n) {
        const std::int64_t window_row = p_.window_row(y) + n;
        const bool outside = window_row < 0 || window_row >= p_.height;
        if (outside && p_.border == sapa::Border::mask) continue;  // is -infinity, and stays it
        S* at = logits + (q * p_.taps() + n * size) * P::lanes;
        const typename P::Vec of_row = P::set(row[n]);
        for (std::int64_t m = 0; m < size; ++m, at += P::lanes)
          P::store(at, P::add(P::load(at), P::add(of_row, P::load(column + m * stride_))));
      }
    }
  }

 private:
  const sapa::Problem& p_;
  const S* rows_;
  std::int64_t stride_;
  Buffer<S> columns_;
};

// The gradient of the tables, still apart for every query: (B, guide_height, guide_width, heads, 2 * K), the score gradients
// summed over each row of the window, then over each column.
template <class P>
class BiasGradient {
  using S = typename P::Scalar;

 public:
  BiasGradient(const sapa::Problem& p, void* out)
      : p_(p), out_(static_cast<S*>(out)), sums_(out ? 2 * p.kernel_size * P::lanes : 0) {}
  bool ok() const { return sums_.ok(); }

  // Of some queries of the positions x .. x + lanes of a row.
  void store(const GuideGrid& grid, std::int64_t plane, std::int64_t x, const Slots& slots, const S* score_grads) const {
    if (!out_) return;
    const std::int64_t size = p_.kernel_size;
    for (int q = 0; q < slots.count; ++q) {
      sum(score_grads + q * p_.taps() * P::lanes);
      const std::int64_t row = slots.top + slots.row[q];
      for (int lane = 0; lane < least(P::lanes, p_.width - x); ++lane) {
        if (slots.column[q] >= grid.count(x + lane)) continue;
        S* to = out_ + p_.pixel(plane, row, grid.first(x + lane) + slots.column[q]) * 2 * size;
        for (std::int64_t i = 0; i < 2 * size; ++i) to[i] = sums_.get()[i * P::lanes + lane];
      }
    }
  }

 private:
  void sum(const S* taps) const {
    const std::int64_t size = p_.kernel_size;
    for (std::int64_t n = 0; n < size; ++n) {
      typename P::Vec of_row = P::zero(), of_column = P::zero();
      for (std::int64_t m = 0; m < size; ++m) {
        of_row = P::add(of_row, P::load(taps + (n * size + m) * P::lanes));
        of_column = P::add(of_column, P::load(taps + (m * size + n) * P::lanes));
      }
      P::store(sums_.get() + n * P::lanes, of_row);
      P::store(sums_.get() + (size + n) * P::lanes, of_column);
    }
  }

  const sapa::Problem& p_;
  S* out_;
  Buffer<S> sums_;
};

}  // namespace
