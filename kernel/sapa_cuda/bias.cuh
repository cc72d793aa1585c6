// Logits by place, as the kernels read them, and the gradient that a pixel gives its tables.
#pragma once

#include "device.cuh"

namespace sapa {

// What a pixel adds to the taps of its window; nothing where the call has no bias.
template <class S>
struct PixelBias {
  const S *rows, *columns;

  __device__ S logit(std::int64_t n, std::int64_t m) const { return rows ? rows[n] + columns[m] : S(0); }
};

// The tables of a call, (guide_height, K) and (guide_width, K), and where a pixel's gradient goes: grad, in the backward pass
// only, is (B, guide_height, guide_width, heads, 2 * K), its score gradients summed over each row of the window, then each column.
template <class S>
struct PlaceBias {
  const S *rows, *columns;
  S* grad;

  __device__ PixelBias<S> of(const Problem& p, std::int64_t pixel) const {
    if (!rows || pixel < 0) return {nullptr, nullptr};
    pixel /= p.heads;  // all heads share the tables
    return {rows + pixel / p.guide_width % p.guide_height * p.kernel_size, columns + pixel % p.guide_width * p.kernel_size};
  }
};

}  // namespace sapa
