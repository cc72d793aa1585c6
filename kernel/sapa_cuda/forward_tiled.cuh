// The forward pass of bfloat16 and float16 on tensor cores. A block owns 4 x 4 map positions: the pixels of that tile meet
// the (4 + K - 1)^2 keys of tile and halo in one dense product, of which the windows' part is kept.
#pragma once

#include "scores.cuh"

namespace sapa {

// The weights of a lane's two rows in T, as left operands of the second product, and 1 / their sums.
template <class T, int blocks>
__device__ inline void weights_of(const SumFragment (&scores)[blocks], LeftFragment (&weights)[blocks / 2], float (&scale)[2]) {
  for (int r = 0; r < 2; ++r) {
    const float best = best_of_row(scores, r);
    float total = 0;
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      const float low = rounded<T>(__expf(scores[b].values[2 * r] - best));
      const float high = rounded<T>(__expf(scores[b].values[2 * r + 1] - best));
      total += low + high;
      weights[b / 2].pairs[b % 2 * 2 + r] = pair_of<T>(low, high);
    }
    scale[r] = 1 / sum_over_four(total);
  }
}

// Shared memory: the halo's keys, then `value_chunk` channels of its values.
template <int K>
inline __host__ __device__ std::int64_t forward_tiled_bytes(const Problem& p) {
  return 2 * Tile<K>::keys * (padded_to_sixteen(p.embedding) + row_padding + value_chunk + row_padding);
}

// Needs integer ratios, d and C multiples of 8, and tensors aligned to 16 bytes. A block a tile.
template <int K, class T>
__global__ void __launch_bounds__(tile_threads, K < 7 ? 4 : 2)
    forward_tiled(Problem p, PlaceBias<float> bias, const T* query, const T* key, const T* value, T* output) {
  constexpr int blocks = Tile<K>::keys / 8;
  constexpr int value_stride = value_chunk + row_padding;
  const int embedding = static_cast<int>(padded_to_sixteen(p.embedding)), key_stride = embedding + row_padding;
  T* keys = static_cast<T*>(dynamic_shared_memory());
  T* values = keys + Tile<K>::keys * key_stride;
  const Square<tile_side> tile = tile_at(p, blockIdx.x);
  const Square<Tile<K>::side> halo = halo_of<K>(tile);
  const auto position = [&](int index) { return halo.position(p, index); };
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  copy_rows(Tile<K>::keys, position, key, p.embedding, 0, embedding, keys, key_stride);
  wait_for_copies();
  __syncthreads();

  const int groups = ratio_of(p).pixels();  // of 16 pixels, one a warp
  for (int base = 0; base < groups; base += tile_warps) {
    const bool busy = base + warp < groups;
    const int first = 16 * (base + warp) + lane / 4;
    const Pixel own[2] = {pixel_of(p, tile, first), pixel_of(p, tile, first + 8)};
    SumFragment scores[blocks] = {};
    LeftFragment weights[blocks / 2];
    float scale[2];
    if (busy) {
      add_inner_products(scores, rows_at(own, query, p.embedding), keys, key_stride, static_cast<int>(p.embedding), lane);
      keep_windows<K>(p, bias, halo, own, lane, scores);
      weights_of<T>(scores, weights, scale);
    }
    for (std::int64_t channel = 0; channel < p.channels; channel += value_chunk) {
      const int width = chunk_width(p.channels - channel);
      __syncthreads();
      copy_rows(Tile<K>::keys, position, value, p.channels, channel, width, values, value_stride);
      wait_for_copies();
      __syncthreads();
      if (busy)
        weigh_rows(weights, values, value_stride, width, lane, [&](int r, int c, float low, float high) {
          store_pair(output, own[r].at, p.channels, channel + c, low * scale[r], high * scale[r]);
        });
    }
  }
}

}  // namespace sapa
