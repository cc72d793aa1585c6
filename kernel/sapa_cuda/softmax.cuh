// What both passes know of a pixel's softmax.
#pragma once

#include "device.cuh"

namespace sapa {

// What the backward pass of a pixel needs: its softmax's maximum and 1 / sum, and the mean of weight gradients.
template <class S>
struct PixelSums {
  S best, scale, mean;
};

template <class S>
__device__ inline S weight_of(const PixelSums<S>& sums, S logit) { return exponential(logit - sums.best) * sums.scale; }

// Over the four lanes that share the rows of a fragment.
__device__ inline float sum_over_four(float x) {
  x += __shfl_xor_sync(all_lanes, x, 1);
  return x + __shfl_xor_sync(all_lanes, x, 2);
}

__device__ inline float maximum_over_four(float x) {
  x = fmaxf(x, __shfl_xor_sync(all_lanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(all_lanes, x, 2));
}

}  // namespace sapa
