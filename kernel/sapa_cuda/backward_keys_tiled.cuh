// The gradients of keys and values for bfloat16 and float16 on tensor cores. A block owns 4 x 4 map positions and gathers from
// the pixels of tile and halo, 64 at a time: it computes their weights and score gradients anew, 16 pixels a warp, and adds
// weights^T x output gradients and score gradients^T x queries, every fourth 16 channels a warp. Nothing is added atomically.
#pragma once

#include "backward_queries_tiled.cuh"

namespace sapa {

// Channels of the values' and of the keys' gradient that one block accumulates; more channels take more blocks.
constexpr int value_slice = 256, key_slice = 128, weight_stride = tile_positions + row_padding;

inline __host__ __device__ std::int64_t slices_of(const Problem& p) {
  const std::int64_t values = (p.channels + value_slice - 1) / value_slice, keys = (p.embedding + key_slice - 1) / key_slice;
  return values > keys ? values : keys;
}

inline __host__ __device__ int slice_width(std::int64_t channels, std::int64_t first, int slice) {
  const std::int64_t rest = channels - first;
  return rest <= 0 ? 0 : rest < slice ? static_cast<int>(padded_to_sixteen(rest)) : slice;
}

// Where things lie in shared memory: the tile's keys and a slice of its values, the same of 64 pixels' queries and output
// gradients, their weights and score gradients for the tile's positions, and the pixels with their sums.
template <class T>
struct KeySide {
  int key_stride, value_stride;
  T *keys, *values, *queries, *grads, *weights, *score_grads;
  Pixel* pixels;
  PixelSums<float>* sums;

  __device__ KeySide(const Problem& p, void* memory)
      : key_stride(static_cast<int>(padded_to_sixteen(p.embedding)) + row_padding),
        value_stride(slice_width(p.channels, 0, value_slice) + row_padding) {
    keys = static_cast<T*>(memory);
    values = keys + tile_positions * key_stride;
    queries = values + tile_positions * value_stride;
    grads = queries + block_pixels * key_stride;
    weights = grads + block_pixels * value_stride;
    score_grads = weights + block_pixels * weight_stride;
    pixels = reinterpret_cast<Pixel*>(score_grads + block_pixels * weight_stride);
    sums = reinterpret_cast<PixelSums<float>*>(pixels + block_pixels);
  }
};

inline __host__ __device__ std::int64_t backward_keys_bytes(const Problem& p) {
  const std::int64_t strides = padded_to_sixteen(p.embedding) + slice_width(p.channels, 0, value_slice) + 2 * row_padding;
  return 2 * ((tile_positions + block_pixels) * strides + 2 * block_pixels * weight_stride) +
         block_pixels * (sizeof(Pixel) + sizeof(PixelSums<float>));
}

// Whether a pixel of the halo reads a position of the tile.
template <int K>
__device__ inline bool reads(const Pixel& pixel, int index) {
  return pixel.at >= 0 && in_window<K>(pixel.row - index / tile_side, pixel.column - index % tile_side);
}

// Puts the weights and score gradients of a warp's 16 pixels and the tile's 16 positions into shared memory.
template <int K, class T>
__device__ inline void put_weights(const Problem& p, const PlaceBias<float>& bias, const KeySide<T>& shared, const SumFragment (&scores)[2], const SumFragment (&weight_grads)[2],
                                   int row, int lane) {
  for (int r = 0; r < 2; ++r) {
    const Pixel pixel = shared.pixels[row + 8 * r];
    const PixelSums<float> sums = shared.sums[row + 8 * r];
    const PixelBias<float> own_bias = bias.of(p, pixel.at);
    for (int b = 0; b < 2; ++b) {
      const int position = 8 * b + 2 * (lane % 4);
      float weights[2], grads[2];
      for (int i = 0; i < 2; ++i) {
        const int at = position + i;
        const bool counts = reads<K>(pixel, at);
        const float score =
            counts ? scores[b].values[2 * r + i] +
                         own_bias.logit(at / tile_side + K - 1 - pixel.row, at % tile_side + K - 1 - pixel.column)
                   : 0;
        weights[i] = counts ? __expf(score - sums.best) * sums.scale : 0;
        grads[i] = counts ? weights[i] * (weight_grads[b].values[2 * r + i] - sums.mean) : 0;
      }
      const int at = (row + 8 * r) * weight_stride + position;
      *reinterpret_cast<std::uint32_t*>(shared.weights + at) = pair_of<T>(weights[0], weights[1]);
      *reinterpret_cast<std::uint32_t*>(shared.score_grads + at) = pair_of<T>(grads[0], grads[1]);
    }
  }
}

// Adds weights^T x rows over 64 pixels to the sums of every fourth 16 channels.
template <int steps, class T>
__device__ inline void gather(SumFragment (&sums)[steps][2], const T* weights, const T* rows, int stride, int width, int lane,
                              int warp) {
#pragma unroll
  for (int k = 0; k < block_pixels; k += 16) {
    LeftFragment a;
    load_left_transposed(a, weights + k * weight_stride, weight_stride, lane);
#pragma unroll
    for (int s = 0; s < steps; ++s) {
      const int c = 16 * (tile_warps * s + warp);
      if (c >= width) continue;
      RightFragment b[2];
      load_right(b, rows + k * stride + c, stride, lane);
      multiply_add<T>(sums[s][0], a, b[0]);
      multiply_add<T>(sums[s][1], a, b[1]);
    }
  }
}

// Writes gathered sums to the tile's positions.
template <int steps, class T>
__device__ inline void store_gathered(const Problem& p, const Square<tile_side>& tile, const SumFragment (&sums)[steps][2], T* to,
                                      std::int64_t channels, std::int64_t first, int width, int lane, int warp) {
#pragma unroll
  for (int s = 0; s < steps; ++s)
    for (int i = 0; i < 4; ++i) {
      const int c = 16 * (tile_warps * s + warp) + 8 * (i / 2) + 2 * (lane % 4), r = i % 2;
      if (c >= width) continue;
      const SumFragment& sum = sums[s][i / 2];
      store_pair(to, tile.position(p, lane / 4 + 8 * r), channels, first + c, sum.values[2 * r], sum.values[2 * r + 1]);
    }
}

// One block's work: its tile, its slice of the channels, and the 64 pixels at hand.
template <int K, class T>
struct KeyTile {
  const Problem& p;
  KeySide<T> shared;
  int slices, slice, lane, warp, embedding;
  Square<tile_side> tile;
  Square<Tile<K>::side> halo;

  __device__ KeyTile(const Problem& problem, void* memory)
      : p(problem),
        shared(problem, memory),
        slices(static_cast<int>(slices_of(problem))),
        slice(blockIdx.x % slices),
        lane(threadIdx.x % 32),
        warp(threadIdx.x / 32),
        embedding(static_cast<int>(padded_to_sixteen(problem.embedding))),
        tile(tile_at(problem, blockIdx.x / slices)),
        halo(halo_of<K>(tile)) {}

  __device__ void copy_positions(const T* from, std::int64_t channels, std::int64_t first, int width, T* to, int stride) const {
    copy_rows(tile_positions, [&](int index) { return tile.position(p, index); }, from, channels, first, width, to, stride);
  }

  __device__ void copy_pixels(const T* from, std::int64_t channels, std::int64_t first, int width, T* to, int stride) const {
    copy_rows(block_pixels, [&](int index) { return shared.pixels[index].at; }, from, channels, first, width, to, stride);
  }

  // Chooses the 64 pixels from `base` on.
  __device__ void choose_pixels(int base, const PixelSums<float>* pixel_sums) const {
    if (threadIdx.x >= block_pixels) return;
    const Pixel pixel = pixel_of(p, halo, base + static_cast<int>(threadIdx.x));
    shared.pixels[threadIdx.x] = pixel;
    if (pixel.at >= 0) shared.sums[threadIdx.x] = pixel_sums[pixel.at];
  }

  // The inner products of a warp's 16 pixels with the tile's 16 positions.
  __device__ void add_products(SumFragment (&sums)[2], const T* rows, const T* positions, int stride, int width) const {
    const T* own = rows + (16 * warp + lane / 4) * stride;
    add_inner_products<T>(sums, {{own, own + 8 * stride}}, positions, stride, width, lane);
  }

  // The gradients of the weights; leaves the own slice of values and output gradients in shared memory.
  __device__ void add_weight_grads(SumFragment (&sums)[2], const T* grad_output, const T* value, bool first) const {
    for (int turn = 1; turn <= slices; ++turn) {
      const std::int64_t channel = static_cast<std::int64_t>((slice + turn) % slices) * value_slice;
      const int width = slice_width(p.channels, channel, value_slice);
      if (turn > 1) __syncthreads();
      if (first || slices > 1) copy_positions(value, p.channels, channel, width, shared.values, shared.value_stride);
      copy_pixels(grad_output, p.channels, channel, width, shared.grads, shared.value_stride);
      wait_for_copies();
      __syncthreads();
      add_products(sums, shared.grads, shared.values, shared.value_stride, width);
    }
  }
};

// Needs what forward_tiled needs, and the sums of every pixel. slices_of(p) blocks a tile.
template <int K, class T>
__global__ void __launch_bounds__(tile_threads)
    backward_keys_tiled(Problem p, PlaceBias<float> bias, const T* grad_output, const T* query, const T* key, const T* value,
                        const PixelSums<float>* pixel_sums, T* grad_key, T* grad_value) {
  const KeyTile<K, T> work(p, dynamic_shared_memory());
  const KeySide<T>& shared = work.shared;
  const std::int64_t slice = work.slice, own_value = slice * value_slice, own_key = slice * key_slice;
  const int value_width = slice_width(p.channels, own_value, value_slice), key_width = slice_width(p.embedding, own_key, key_slice);
  SumFragment value_sums[value_slice / 16 / tile_warps][2] = {}, key_sums[key_slice / 16 / tile_warps][2] = {};
  work.copy_positions(key, p.embedding, 0, work.embedding, shared.keys, shared.key_stride);

  for (int base = 0; base < work.halo.positions * ratio_of(p).pixels(); base += block_pixels) {
    __syncthreads();
    work.choose_pixels(base, pixel_sums);
    __syncthreads();
    work.copy_pixels(query, p.embedding, 0, work.embedding, shared.queries, shared.key_stride);
    SumFragment scores[2] = {}, weight_grads[2] = {};
    work.add_weight_grads(weight_grads, grad_output, value, base == 0);
    work.add_products(scores, shared.queries, shared.keys, shared.key_stride, work.embedding);
    put_weights<K>(p, bias, shared, scores, weight_grads, 16 * work.warp + work.lane / 4, work.lane);
    __syncthreads();
    gather(value_sums, shared.weights, shared.grads, shared.value_stride, value_width, work.lane, work.warp);
    gather(key_sums, shared.score_grads, shared.queries + own_key, shared.key_stride, key_width, work.lane, work.warp);
  }
  store_gathered(p, work.tile, value_sums, grad_value, p.channels, own_value, value_width, work.lane, work.warp);
  store_gathered(p, work.tile, key_sums, grad_key, p.embedding, own_key, key_width, work.lane, work.warp);
}

}  // namespace sapa
