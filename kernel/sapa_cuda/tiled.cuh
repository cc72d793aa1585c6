// The forward pass of bfloat16 and float16 on tensor cores. A block owns 4 x 4 map positions: the queries of that tile meet
// the (4 + K - 1)^2 keys of tile and halo in one dense product, of which the windows' part is kept.
#pragma once

#include "fragments.cuh"

namespace sapa {

constexpr int tile_side = 4, tile_threads = 128, tile_channels = 128, row_padding = 8;

template <int K>
struct Tile {
  static constexpr int side = tile_side + K - 1;
  static constexpr int keys = (side * side + 15) / 16 * 16;  // padded for the k of the second product
};

// Shared memory: keys (keys, embedding + padding), then values (keys, tile_channels + padding). Padding shifts the banks.
template <int K>
inline __host__ __device__ std::int64_t tile_bytes(std::int64_t embedding) {
  return 2 * Tile<K>::keys * (embedding + row_padding + tile_channels + row_padding);
}

// Copies `width` channels of the halo's positions into shared memory, 16 bytes a step; zeros outside the map.
template <int K, class T>
__device__ inline void load_halo(const Problem& p, std::int64_t image, std::int64_t top, std::int64_t left, const T* from,
                                 std::int64_t channels, std::int64_t channel, int width, T* to, int stride) {
  const int steps = width / 8;
  for (int i = threadIdx.x; i < Tile<K>::keys * steps; i += tile_threads) {
    const int key = i / steps, step = i % steps;
    const std::int64_t row = top + key / Tile<K>::side, column = left + key % Tile<K>::side;
    uint4 eight = {0, 0, 0, 0};
    if (key < Tile<K>::side * Tile<K>::side && row >= 0 && row < p.height && column >= 0 && column < p.width)
      eight = *reinterpret_cast<const uint4*>(from + ((image * p.height + row) * p.width + column) * channels + channel + 8 * step);
    *reinterpret_cast<uint4*>(to + key * stride + 8 * step) = eight;
  }
}

// One of a lane's two query rows: its place in the guide and in the tile.
struct TileQuery {
  std::int64_t pixel;  // -1 outside the guide
  int row, column;     // of its window's centre, inside the tile
};

template <int K, class T>
class TiledForward {
  static constexpr int key_blocks = Tile<K>::keys / 8;

 public:
  const Problem& p;
  std::int64_t image, top, left;  // of the halo
  const T *keys, *values;         // in shared memory
  int key_stride, value_stride, lane;

  __device__ TileQuery query_at(int index, int rows, int columns) const {
    const int i = index / (tile_side * columns), j = index % (tile_side * columns);
    TileQuery q{-1, i / rows, j / columns};
    const std::int64_t row = (top + K / 2) * rows + i, column = (left + K / 2) * columns + j;
    if (i < tile_side * rows && row < p.guide_height && column < p.guide_width)
      q.pixel = (image * p.guide_height + row) * p.guide_width + column;
    return q;
  }

  // Scores of 16 queries with all keys of the halo; what is in no window becomes -infinity.
  __device__ void score(const T* query, const TileQuery (&own)[2], SumFragment (&scores)[key_blocks]) const {
    for (int b = 0; b < key_blocks; ++b) scores[b] = {};
    for (int e = 0; e < p.embedding; e += 16) {
      LeftFragment a;
      for (int i = 0; i < 4; ++i) {
        const TileQuery& q = own[i % 2];
        const T* at = query + q.pixel * p.embedding + e + 2 * (lane % 4) + i / 2 * 8;
        a.pairs[i] = q.pixel < 0 ? 0 : *reinterpret_cast<const std::uint32_t*>(at);
      }
#pragma unroll
      for (int b = 0; b < key_blocks; ++b) {
        const T* at = keys + (8 * b + lane / 4) * key_stride + e + 2 * (lane % 4);
        const RightFragment key = {{*reinterpret_cast<const std::uint32_t*>(at), *reinterpret_cast<const std::uint32_t*>(at + 8)}};
        multiply_add<T>(scores[b], a, key);
      }
    }
#pragma unroll
    for (int b = 0; b < key_blocks; ++b)
      for (int i = 0; i < 4; ++i)
        if (!counts(own[i / 2], 8 * b + 2 * (lane % 4) + i % 2)) scores[b].values[i] = -INFINITY;
  }

  __device__ bool counts(const TileQuery& q, int key) const {
    const int row = key / Tile<K>::side, column = key % Tile<K>::side;
    const bool window = row >= q.row && row < q.row + K && column >= q.column && column < q.column + K;
    if (!window || p.border == Border::zero) return window && row < Tile<K>::side;
    return top + row >= 0 && top + row < p.height && left + column >= 0 && left + column < p.width;
  }

  // Weights in T, as left operands of the second product, and 1 / their sum for the lane's two rows.
  __device__ void softmax(const SumFragment (&scores)[key_blocks], LeftFragment (&weights)[key_blocks / 2], float (&scale)[2]) const {
    for (int r = 0; r < 2; ++r) {
      float best = -INFINITY, total = 0;
      for (int b = 0; b < key_blocks; ++b)
        for (int i = 2 * r; i < 2 * r + 2; ++i) best = fmaxf(best, scores[b].values[i]);
      best = fmaxf(best, __shfl_xor_sync(all_lanes, best, 1));
      best = fmaxf(best, __shfl_xor_sync(all_lanes, best, 2));
#pragma unroll
      for (int b = 0; b < key_blocks; ++b) {
        const float low = rounded<T>(__expf(scores[b].values[2 * r] - best));
        const float high = rounded<T>(__expf(scores[b].values[2 * r + 1] - best));
        total += low + high;
        weights[b / 2].pairs[b % 2 * 2 + r] = pair_of<T>(low, high);
      }
      total += __shfl_xor_sync(all_lanes, total, 1);
      total += __shfl_xor_sync(all_lanes, total, 2);
      scale[r] = 1 / total;
    }
  }

  // The outputs of 16 queries for `width` channels that lie in shared memory.
  __device__ void assemble(const LeftFragment (&weights)[key_blocks / 2], const float (&scale)[2], const TileQuery (&own)[2],
                           std::int64_t channel, int width, T* output) const {
    for (int c = 0; c < width; c += 16) {
      SumFragment sums[2] = {};
#pragma unroll
      for (int k = 0; k < key_blocks / 2; ++k) {
        RightFragment b[2];
        load_transposed(b, values + (16 * k + lane % 16) * value_stride + c + lane / 16 * 8);
        multiply_add<T>(sums[0], weights[k], b[0]);
        multiply_add<T>(sums[1], weights[k], b[1]);
      }
      for (int h = 0; h < 2; ++h)
        for (int r = 0; r < 2; ++r) {
          const std::int64_t at = channel + c + 8 * h + 2 * (lane % 4);
          if (own[r].pixel >= 0 && at < p.channels)
            *reinterpret_cast<std::uint32_t*>(output + own[r].pixel * p.channels + at) =
                pair_of<T>(sums[h].values[2 * r] * scale[r], sums[h].values[2 * r + 1] * scale[r]);
        }
    }
  }
};

// Needs: integer ratios, embedding a multiple of 16, channels of 8, 16-byte aligned tensors. Grid: (tiles, batch).
template <int K, class T>
__global__ void __launch_bounds__(tile_threads) forward_tiled(Problem p, const T* query, const T* key, const T* value, T* output) {
  T* keys = reinterpret_cast<T*>(dynamic_shared_memory());
  const int key_stride = static_cast<int>(p.embedding) + row_padding, value_stride = tile_channels + row_padding;
  T* values = keys + Tile<K>::keys * key_stride;
  const int rows = static_cast<int>(p.guide_height / p.height), columns = static_cast<int>(p.guide_width / p.width);
  const std::int64_t across = (p.width + tile_side - 1) / tile_side, tiles = across * ((p.height + tile_side - 1) / tile_side);
  const std::int64_t image = blockIdx.x / tiles, tile = blockIdx.x % tiles;
  const std::int64_t top = tile / across * tile_side - K / 2, left = tile % across * tile_side - K / 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const TiledForward<K, T> work{p, image, top, left, keys, values, key_stride, value_stride, lane};
  load_halo<K>(p, image, top, left, key, p.embedding, 0, static_cast<int>(p.embedding), keys, key_stride);
  __syncthreads();

  const int groups = rows * columns;  // of 16 queries
  for (int base = 0; base < groups; base += tile_threads / 32) {
    const bool busy = base + warp < groups;
    const int first = 16 * (base + warp) + lane / 4;
    const TileQuery own[2] = {work.query_at(first, rows, columns), work.query_at(first + 8, rows, columns)};
    SumFragment scores[Tile<K>::keys / 8];
    LeftFragment weights[Tile<K>::keys / 16];
    float scale[2];
    if (busy) {
      work.score(query, own, scores);
      work.softmax(scores, weights, scale);
    }
    for (std::int64_t channel = 0; channel < p.channels; channel += tile_channels) {
      const std::int64_t rest = p.channels - channel;
      const int width = rest < tile_channels ? static_cast<int>(rest) : tile_channels;
      __syncthreads();
      load_halo<K>(p, image, top, left, value, p.channels, channel, width, values, value_stride);
      __syncthreads();
      if (busy) work.assemble(weights, scale, own, channel, width, output);
    }
  }
}

}  // namespace sapa
