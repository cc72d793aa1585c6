// The gradients of the queries and of the bias in float32: the windows' scores and weight gradients, then the weighted keys.
#pragma once

#include "windows.cuh"

namespace sapa {

// Turns a pixel's weight gradients into score gradients.
template <int K>
__device__ inline PixelSums<float> differentiate(const float* scores, float* grads) {
  const PixelTaps<K> taps;
  const float best = taps.best(scores);
  float total = 0, mean = 0;
  taps.each([&](int at) {
    const float weight = expf(scores[at] - best);
    total += weight;
    mean += weight * grads[at];
  });
  const float scale = 1 / taps.sum(total);
  const PixelSums<float> sums{best, scale, taps.sum(mean) * scale};
  taps.each([&](int at) { grads[at] = weight_of(sums, scores[at]) * (grads[at] - sums.mean); });
  return sums;
}

// Needs what forward_windows needs. A block a tile. Writes the sums of every pixel too.
template <int K>
__global__ void __launch_bounds__(tile_threads, 3)
    backward_queries_windows(Problem p, PlaceBias<float> bias, const float* grad_output, const float* query, const float* key,
                             const float* value, float* grad_query, PixelSums<float>* pixel_sums) {
  const WindowTile<K> work(p, static_cast<float*>(dynamic_shared_memory()));
  for (int base = 0; base < ratio_of(p).pixels(); base += quad) {
    work.choose_pixels(base);
    work.multiply(query, key, p.embedding, -INFINITY, work.weights);
    work.add_bias(bias);
    work.multiply(grad_output, value, p.channels, 0, work.grads);
    __syncthreads();
    const PixelSums<float> sums = differentiate<K>(work.weights, work.grads);
    const std::int64_t at = work.pixels[threadIdx.x / 2 % quad * tile_positions + threadIdx.x / 8];
    if (at >= 0 && threadIdx.x % 2 == 0) pixel_sums[at] = sums;
    work.store_bias_gradient(bias.grad);
    for (std::int64_t first = 0; first < p.embedding; first += assembly_chunk)
      work.assemble_chunk(work.grads, key, p.embedding, first, grad_query);
  }
}

}  // namespace sapa
