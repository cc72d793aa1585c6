// The exact windows of a tile's pixels on CUDA cores, in float32: four pixels of each of 4 x 4 map positions at a time, in
// registers. A thread has the products of one tap row, then four channels of a tile row; no product is wasted on a mask.
#pragma once

#include "bias.cuh"
#include "softmax.cuh"
#include "tile.cuh"

namespace sapa {

constexpr int quad = 4, quad_pixels = quad * tile_positions;
constexpr int product_chunk = 64, assembly_chunk = 4 * 32;  // channels in shared memory, at a time

// In floats. Eight lanes that read 16 bytes each of neighbouring rows, or of two halo rows, meet all 32 banks.
template <int K>
struct WindowMemory {
  static constexpr int row = product_chunk + 4, halo_row = Tile<K>::side * row + (48 - 4 * Tile<K>::side) % 32;
  static constexpr int multiplying = Tile<K>::side * halo_row + quad_pixels * row;
  static constexpr int assembling = Tile<K>::side * Tile<K>::side * assembly_chunk;
  static constexpr int chunks = multiplying > assembling ? multiplying : assembling;
  static constexpr int weights = K * K * quad_pixels;
  static constexpr int forward_bytes = 4 * (chunks + weights) + 8 * quad_pixels, backward_bytes = forward_bytes + 4 * weights;
};

__device__ inline float4& four(float* at) { return *reinterpret_cast<float4*>(at); }
__device__ inline const float4& four(const float* at) { return *reinterpret_cast<const float4*>(at); }

__device__ inline float product(const float4& a, const float4& b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

__device__ inline void add_scaled(float4& sum, float weight, const float4& x) {
  sum.x += weight * x.x;
  sum.y += weight * x.y;
  sum.z += weight * x.z;
  sum.w += weight * x.w;
}

// The guide pixel `index` of those under a square's position, or -1.
template <int side>
__device__ inline std::int64_t pixel_under(const Problem& p, const Square<side>& square, int position, int index) {
  const Ratio ratio = ratio_of(p);
  if (!square.holds(p, position) || index >= ratio.pixels()) return -1;
  const std::int64_t row = (square.top + position / side) * ratio.rows + index / ratio.columns;
  const std::int64_t column = (square.left + position % side) * ratio.columns + index % ratio.columns;
  return p.pixel(square.plane, row, column);
}

template <int K>
struct WindowTile {
  static constexpr int side = Tile<K>::side;
  using Memory = WindowMemory<K>;

  const Problem& p;
  Square<tile_side> tile;
  Square<side> halo;
  float *positions, *queries, *values;  // chunks of channels; values lie over the other two
  std::int64_t* pixels;                 // [pixel of a position][position], as queries
  float *weights, *grads;               // [position][tap][pixel of the position]; grads in the backward pass only

  __device__ WindowTile(const Problem& problem, float* memory)
      : p(problem),
        tile(tile_at(problem, blockIdx.x)),
        halo(halo_of<K>(tile)),
        positions(memory),
        queries(memory + side * Memory::halo_row),
        values(memory),
        pixels(reinterpret_cast<std::int64_t*>(memory + Memory::chunks)),
        weights(reinterpret_cast<float*>(pixels + quad_pixels)),
        grads(weights + Memory::weights) {}

  // Chooses pixels `base` .. `base + 3` of every position.
  __device__ void choose_pixels(int base) const {
    const int index = threadIdx.x;
    __syncthreads();
    if (index < quad_pixels) pixels[index] = pixel_under(p, tile, index % tile_positions, base + index / tile_positions);
    __syncthreads();
  }

  __device__ void copy_factors(const float* of_pixels, const float* of_positions, std::int64_t channels, std::int64_t first,
                               int width) const {
    for (int row = 0; row < side; ++row)
      copy_rows(side, [&](int i) { return halo.position(p, row * side + i); }, of_positions, channels, first, width,
                positions + row * Memory::halo_row, Memory::row);
    copy_rows(quad_pixels, [&](int i) { return pixels[i]; }, of_pixels, channels, first, width, queries, Memory::row);
  }

  // Adds the products of a position's four pixels with tap row `n`.
  __device__ void add_products(int position, int n, int width, float (&products)[K][quad]) const {
    const float* tap = positions + (position / tile_side + n) * Memory::halo_row + position % tile_side * Memory::row;
    for (int c = 0; c < width; c += 4) {
      float4 own[quad];
#pragma unroll
      for (int s = 0; s < quad; ++s) own[s] = four(queries + (s * tile_positions + position) * Memory::row + c);
#pragma unroll
      for (int m = 0; m < K; ++m) {
        const float4 x = four(tap + m * Memory::row + c);
#pragma unroll
        for (int s = 0; s < quad; ++s) products[m][s] += product(own[s], x);
      }
    }
  }

  // Puts the inner products of the pixels' rows with their windows' rows into `to`; `uncounted` for taps left out of the softmax.
  __device__ void multiply(const float* of_pixels, const float* of_positions, std::int64_t channels, float uncounted,
                           float* to) const {
    const int position = threadIdx.x % tile_positions, n = threadIdx.x / tile_positions;
    float products[K][quad] = {};
    for (std::int64_t first = 0; first < channels; first += product_chunk) {
      const int width = channels - first < product_chunk ? static_cast<int>(channels - first) : product_chunk;
      __syncthreads();
      copy_factors(of_pixels, of_positions, channels, first, width);
      wait_for_copies();
      __syncthreads();
      if (n < K) add_products(position, n, width, products);
    }
    if (n >= K) return;
#pragma unroll
    for (int m = 0; m < K; ++m) {
      const bool counts = p.border == Border::zero || halo.holds(p, (position / tile_side + n) * side + position % tile_side + m);
      const float(&own)[quad] = products[m];
      four(to + (position * K * K + n * K + m) * quad) =
          counts ? float4{own[0], own[1], own[2], own[3]} : float4{uncounted, uncounted, uncounted, uncounted};
    }
  }

  // Adds the bias to the scores that this thread has put into `weights`.
  __device__ void add_bias(const PlaceBias<float>& bias) const {
    const int position = threadIdx.x % tile_positions, n = threadIdx.x / tile_positions;
    if (!bias.rows || n >= K) return;
    for (int s = 0; s < quad; ++s) {
      const PixelBias<float> own = bias.of(p, pixels[s * tile_positions + position]);
      for (int m = 0; m < K; ++m) weights[(position * K * K + n * K + m) * quad + s] += own.logit(n, m);
    }
  }

  // Writes what the pixels' score gradients in `grads` sum up to, over each row of the window and over each column.
  __device__ void store_bias_gradient(float* to) const {
    if (!to) return;
    __syncthreads();
    const std::int64_t at = threadIdx.x < quad_pixels ? pixels[threadIdx.x] : -1;
    if (at < 0) return;
    const float* own = grads + threadIdx.x % tile_positions * K * K * quad + threadIdx.x / tile_positions;
    for (int n = 0; n < K; ++n) {
      float of_row = 0, of_column = 0;
      for (int m = 0; m < K; ++m) {
        of_row += own[(n * K + m) * quad];
        of_column += own[(m * K + n) * quad];
      }
      to[at * 2 * K + n] = of_row;
      to[at * 2 * K + K + n] = of_column;
    }
  }

  // Adds tile row `row`'s weighted sums of the four channels at `own` of each position in shared memory.
  __device__ void assemble(const float* of, int row, const float* own, float4 (&sums)[tile_side][quad]) const {
    for (int n = 0; n < K; ++n)
#pragma unroll
      for (int column = 0; column < side; ++column) {
        const float4 x = four(own + ((row + n) * side + column) * assembly_chunk);
#pragma unroll
        for (int j = 0; j < tile_side; ++j) {
          const int m = column - j;
          if (m < 0 || m >= K) continue;
          const float4 weight = four(of + ((row * tile_side + j) * K * K + n * K + m) * quad);
          add_scaled(sums[j][0], weight.x, x);
          add_scaled(sums[j][1], weight.y, x);
          add_scaled(sums[j][2], weight.z, x);
          add_scaled(sums[j][3], weight.w, x);
        }
      }
  }

  // Writes the pixels' sums of positions' rows, weighted by `of`, for one chunk of channels.
  __device__ void assemble_chunk(const float* of, const float* from, std::int64_t channels, std::int64_t first, float* to) const {
    const int row = threadIdx.x / 32;
    const int width = channels - first < assembly_chunk ? static_cast<int>(channels - first) : assembly_chunk;
    const std::int64_t channel = first + threadIdx.x % 32 * 4;
    __syncthreads();
    copy_rows(side * side, [&](int i) { return halo.position(p, i); }, from, channels, first, width, values, assembly_chunk);
    wait_for_copies();
    __syncthreads();
    if (channel >= channels) return;
    float4 sums[tile_side][quad] = {};
    assemble(of, row, values + threadIdx.x % 32 * 4, sums);
#pragma unroll
    for (int j = 0; j < tile_side; ++j)
#pragma unroll
      for (int s = 0; s < quad; ++s) {
        const std::int64_t at = pixels[s * tile_positions + row * tile_side + j];
        if (at >= 0) __stwb(&four(to + at * channels + channel), sums[j][s]);  // an assignment would become four stores
      }
  }
};

// A pixel's own row of `weights` or `grads`, every other tap of which is for one of two neighbouring threads.
template <int K>
struct PixelTaps {
  int first = threadIdx.x % 2, row = threadIdx.x / 8 * K * K * quad + threadIdx.x / 2 % quad;

  template <class F>
  __device__ void each(F&& f) const {
    for (int tap = first; tap < K * K; tap += 2) f(row + tap * quad);
  }
  __device__ float sum(float x) const { return x + __shfl_xor_sync(all_lanes, x, 1); }
  __device__ float best(const float* scores) const {
    float best = -INFINITY;
    each([&](int at) { best = fmaxf(best, scores[at]); });
    return fmaxf(best, __shfl_xor_sync(all_lanes, best, 1));
  }
};

}  // namespace sapa
