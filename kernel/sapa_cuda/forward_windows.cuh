// The forward pass of float32: the windows' scores, their softmax, the weighted values.
#pragma once

#include "windows.cuh"

namespace sapa {

template <int K>
__device__ inline void normalize(float* weights) {
  const PixelTaps<K> taps;
  const float best = taps.best(weights);
  float total = 0;
  taps.each([&](int at) { total += weights[at] = expf(weights[at] - best); });
  const float scale = 1 / taps.sum(total);
  taps.each([&](int at) { weights[at] *= scale; });
}

// Needs integer ratios, d and C multiples of 4, and tensors aligned to 16 bytes. A block a tile.
template <int K>
__global__ void __launch_bounds__(tile_threads, 3)
    forward_windows(Problem p, PlaceBias<float> bias, const float* query, const float* key, const float* value, float* output) {
  const WindowTile<K> work(p, static_cast<float*>(dynamic_shared_memory()));
  for (int base = 0; base < ratio_of(p).pixels(); base += quad) {
    work.choose_pixels(base);
    work.multiply(query, key, p.embedding, -INFINITY, work.weights);
    work.add_bias(bias);
    __syncthreads();
    normalize<K>(work.weights);
    for (std::int64_t first = 0; first < p.channels; first += assembly_chunk)
      work.assemble_chunk(work.weights, value, p.channels, first, output);
  }
}

}  // namespace sapa
