// The forward pass over position rows: weights of a group of positions, then assembly position by position.
#pragma once

#include "attention.h"

namespace {

// One position: output[q] = sum over the window's taps of weights[q] * value, for `count` (at most 4) queries.
template <class P, class T>
inline void assemble(const Window<typename P::Scalar>& window, std::int64_t channels, int count,
                     const typename P::Scalar* const* weights, T* const* output, std::int64_t step) {
  with_count<4>(count, [&](auto queries) {
    for_channels<P>(channels, [&](auto vectors, auto tailed, std::int64_t channel, int tail) {
      assemble_block<P, decltype(queries)::value, decltype(vectors)::value, decltype(tailed)::value != 0>(
          window, channel, tail, weights, output, step);
    });
  });
}

// Assembles the position (y, x) for some of its queries, from its lane of weights (slots, taps, lanes).
template <class P, class T>
inline void assemble_position(const sapa::Problem& p, const GuideGrid& grid, const typename P::Scalar* const* rows,
                              std::int64_t channels, std::int64_t plane, std::int64_t y, std::int64_t x, const Slots& slots,
                              const typename P::Scalar* weights, T* output) {
  const typename P::Scalar* used[4];
  T* target[4];
  int filled = 0;
  for (int q = 0; q < slots.count; ++q) {
    if (slots.column[q] >= grid.count(x)) continue;
    used[filled] = weights + q * p.taps() * P::lanes;
    target[filled++] = output + p.pixel(plane, slots.top + slots.row[q], grid.first(x) + slots.column[q]) * channels;
  }
  const std::int64_t step = (grid.first(least(x + 1, p.width - 1)) - grid.first(x)) * p.heads * channels;
  if (filled) assemble<P>(window_at(p, rows, row_stride<P, T>(p, channels), y, x), channels, filled, used, target, step);
}

template <class P, class T>
bool forward_rows(const sapa::Forward& call, std::int64_t begin, std::int64_t end) {
  using S = typename P::Scalar;
  const sapa::Problem& p = call.problem;
  const GuideGrid grid(p);
  TransposedKeys<P, T> keys(p, call.key);
  MapRows<P, T> values(p, call.value, p.channels);
  Attention<P, T> attention(p, grid, call.query, call.bias);
  const Buffer<S> weights(4 * p.taps() * P::lanes);
  if (!grid.ok() || !keys.ok() || !values.ok() || !attention.ok() || !weights.ok()) return false;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t plane = row / p.height, y = row % p.height, past = least(p.height, p.window_row(y) + p.kernel_size);
    const bool starts = row == begin || y == 0;
    for (std::int64_t k = starts ? most(0, p.window_row(y)) : p.window_row(y - 1) + p.kernel_size; k < past; ++k) {
      keys.load(plane, k);
      values.load(plane, k);
    }
    const S* const* around = values.around(plane, y);
    const std::int64_t queries = grid.rows(y) * grid.columns;
    for (std::int64_t x = 0; x < p.width; x += P::lanes)
      for (std::int64_t first = 0; first < queries; first += 4) {
        const Slots slots = grid.slots(y, first);
        attention.weights(keys, plane, y, x, slots, weights.get());
        for (int lane = 0; lane < least(P::lanes, p.width - x); ++lane) {
          attention.prefetch_next(plane, y, x, lane);
          assemble_position<P>(p, grid, around, p.channels, plane, y, x + lane, slots, weights.get() + lane,
                               static_cast<T*>(call.output));
        }
      }
  }
  return true;
}

}  // namespace
