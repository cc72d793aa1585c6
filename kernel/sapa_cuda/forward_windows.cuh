// The forward pass of float32 on CUDA cores. A block owns 4 x 4 map positions and computes the windows' products only, four
// pixels of each position at a time, in registers: a thread has the scores of one tap row, then four channels of a tile row.
#pragma once

#include "softmax.cuh"
#include "tile.cuh"

namespace sapa {

constexpr int quad = 4, quads_pixels = quad * tile_side * tile_side;  // pixels of a position and of a block, at a time
constexpr int score_chunk = 64, assembly_chunk = 4 * 32;              // channels in shared memory, at a time

// In floats. Eight lanes that read 16 bytes each of neighbouring rows, or of two halo rows, meet all 32 banks.
template <int K>
struct WindowMemory {
  static constexpr int row = score_chunk + 4, halo_row = Tile<K>::side * row + (48 - 4 * Tile<K>::side) % 32;
  static constexpr int scoring = Tile<K>::side * halo_row + quads_pixels * row;
  static constexpr int assembling = Tile<K>::side * Tile<K>::side * assembly_chunk;
  static constexpr int chunks = scoring > assembling ? scoring : assembling;
  static constexpr int weights = K * K * quads_pixels;
  static constexpr int bytes = 4 * (chunks + weights) + 8 * quads_pixels;
};

__device__ inline float4& four(float* at) { return *reinterpret_cast<float4*>(at); }
__device__ inline const float4& four(const float* at) { return *reinterpret_cast<const float4*>(at); }

// The guide pixel `index` of those under a tile's position, or -1.
__device__ inline std::int64_t pixel_under(const Problem& p, const Square<tile_side>& tile, int position, int index) {
  const Ratio ratio = ratio_of(p);
  const std::int64_t row = tile.top + position / tile_side, column = tile.left + position % tile_side;
  if (row >= p.height || column >= p.width || index >= ratio.pixels()) return -1;
  return (tile.image * p.guide_height + row * ratio.rows + index / ratio.columns) * p.guide_width + column * ratio.columns + index % ratio.columns;
}

template <int K>
struct WindowTile {
  static constexpr int side = Tile<K>::side;
  using Memory = WindowMemory<K>;

  const Problem& p;
  Square<tile_side> tile;
  Square<side> halo;
  float *keys, *queries, *values, *weights;  // values lie over keys and queries
  std::int64_t* pixels;                      // [pixel of a position][position], as queries

  __device__ WindowTile(const Problem& problem, float* memory)
      : p(problem),
        tile(tile_at(problem, blockIdx.x)),
        halo(halo_of<K>(tile)),
        keys(memory),
        queries(memory + side * Memory::halo_row),
        values(memory),
        weights(memory + Memory::chunks),
        pixels(reinterpret_cast<std::int64_t*>(weights + Memory::weights)) {}

  __device__ void copy_scoring(const float* query, const float* key, std::int64_t first, int width) const {
    for (int row = 0; row < side; ++row)
      copy_rows(side, [&](int i) { return halo.position(p, row * side + i); }, key, p.embedding, first, width, keys + row * Memory::halo_row, Memory::row);
    copy_rows(quads_pixels, [&](int i) { return pixels[i]; }, query, p.embedding, first, width, queries, Memory::row);
  }

  // Adds the products of a position's four pixels with the keys of tap row `n`.
  __device__ void add_scores(int position, int n, int width, float (&scores)[K][quad]) const {
    const float* key = keys + (position / tile_side + n) * Memory::halo_row + position % tile_side * Memory::row;
    for (int c = 0; c < width; c += 4) {
      float4 own[quad];
#pragma unroll
      for (int s = 0; s < quad; ++s) own[s] = four(queries + (s * tile_side * tile_side + position) * Memory::row + c);
#pragma unroll
      for (int m = 0; m < K; ++m) {
        const float4 x = four(key + m * Memory::row + c);
#pragma unroll
        for (int s = 0; s < quad; ++s) scores[m][s] += own[s].x * x.x + own[s].y * x.y + own[s].z * x.z + own[s].w * x.w;
      }
    }
  }

  // Scores of the block's pixels into `weights` [position][tap][pixel of the position].
  __device__ void score(const float* query, const float* key) const {
    const int position = threadIdx.x % 16, n = threadIdx.x / 16;
    float scores[K][quad] = {};
    for (std::int64_t first = 0; first < p.embedding; first += score_chunk) {
      const std::int64_t rest = p.embedding - first;
      const int width = rest < score_chunk ? static_cast<int>(rest) : score_chunk;
      __syncthreads();
      copy_scoring(query, key, first, width);
      wait_for_copies();
      __syncthreads();
      if (n < K) add_scores(position, n, width, scores);
    }
    if (n >= K) return;
#pragma unroll
    for (int m = 0; m < K; ++m) {
      const bool counts = p.border == Border::zero || halo.holds(p, (position / tile_side + n) * side + position % tile_side + m);
      float* at = weights + (position * K * K + n * K + m) * quad;
      four(at) = counts ? float4{scores[m][0], scores[m][1], scores[m][2], scores[m][3]} : float4{-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    }
  }

  // Turns a pixel's scores into weights; two threads a pixel take every other tap.
  __device__ void normalize() const {
    float* own = weights + threadIdx.x / 8 * K * K * quad + threadIdx.x / 2 % quad;
    const int first = threadIdx.x % 2;
    float best = -INFINITY, total = 0;
    for (int tap = first; tap < K * K; tap += 2) best = fmaxf(best, own[tap * quad]);
    best = fmaxf(best, __shfl_xor_sync(all_lanes, best, 1));
    for (int tap = first; tap < K * K; tap += 2) {
      const float weight = expf(own[tap * quad] - best);
      own[tap * quad] = weight;
      total += weight;
    }
    const float scale = 1 / (total + __shfl_xor_sync(all_lanes, total, 1));
    for (int tap = first; tap < K * K; tap += 2) own[tap * quad] *= scale;
  }

  // The outputs of tile row `row` for the four channels at `own` of each value in shared memory.
  __device__ void assemble(int row, const float* own, float4 (&sums)[tile_side][quad]) const {
    for (int n = 0; n < K; ++n)
#pragma unroll
      for (int column = 0; column < side; ++column) {
        const float4 x = four(own + ((row + n) * side + column) * assembly_chunk);
#pragma unroll
        for (int j = 0; j < tile_side; ++j) {
          const int m = column - j;
          if (m < 0 || m >= K) continue;
          const float4 weight = four(weights + ((row * tile_side + j) * K * K + n * K + m) * quad);
          add_scaled(sums[j][0], weight.x, x);
          add_scaled(sums[j][1], weight.y, x);
          add_scaled(sums[j][2], weight.z, x);
          add_scaled(sums[j][3], weight.w, x);
        }
      }
  }

  static __device__ void add_scaled(float4& sum, float weight, const float4& x) {
    sum.x += weight * x.x;
    sum.y += weight * x.y;
    sum.z += weight * x.z;
    sum.w += weight * x.w;
  }

  __device__ void assemble_chunk(const float* value, std::int64_t first, float* output) const {
    const int row = threadIdx.x / 32;
    const std::int64_t channel = first + threadIdx.x % 32 * 4, rest = p.channels - first;
    __syncthreads();
    copy_rows(side * side, [&](int i) { return halo.position(p, i); }, value, p.channels, first,
              rest < assembly_chunk ? static_cast<int>(rest) : assembly_chunk, values, assembly_chunk);
    wait_for_copies();
    __syncthreads();
    if (channel >= p.channels) return;
    float4 sums[tile_side][quad] = {};
    assemble(row, values + threadIdx.x % 32 * 4, sums);
#pragma unroll
    for (int j = 0; j < tile_side; ++j)
#pragma unroll
      for (int s = 0; s < quad; ++s) {
        const std::int64_t at = pixels[s * tile_side * tile_side + row * tile_side + j];
        if (at >= 0) __stwb(&four(output + at * p.channels + channel), sums[j][s]);  // an assignment would become four stores
      }
  }
};

// Needs integer ratios, d and C multiples of 4, and tensors aligned to 16 bytes. A block a tile.
template <int K>
__global__ void __launch_bounds__(tile_threads, 3) forward_windows(Problem p, const float* query, const float* key, const float* value, float* output) {
  const WindowTile<K> work(p, static_cast<float*>(dynamic_shared_memory()));
  const int index = threadIdx.x;
  for (int base = 0; base < ratio_of(p).pixels(); base += quad) {
    __syncthreads();
    if (index < quads_pixels) work.pixels[index] = pixel_under(p, work.tile, index % 16, base + index / 16);
    work.score(query, key);  // begins with a barrier
    __syncthreads();
    work.normalize();
    for (std::int64_t first = 0; first < p.channels; first += assembly_chunk) work.assemble_chunk(value, first, output);
  }
}

}  // namespace sapa
