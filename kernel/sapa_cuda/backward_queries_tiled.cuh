// The gradients of the queries and of the bias for bfloat16 and float16 on tensor cores. A block owns the pixels of 4 x 4 map positions, 16 a
// warp: scores and weight gradients are dense products with the keys and values of tile and halo.
#pragma once

#include "scores.cuh"

namespace sapa {

constexpr int block_pixels = 16 * tile_warps;

// Turns the scores of a lane's row into weights, and gives the row's sums.
template <int blocks>
__device__ inline PixelSums<float> normalize_row(SumFragment (&scores)[blocks], const SumFragment (&weight_grads)[blocks], int r) {
  const float best = best_of_row(scores, r);
  float total = 0, mean = 0;
#pragma unroll
  for (int b = 0; b < blocks; ++b)
    for (int i = 2 * r; i < 2 * r + 2; ++i) {
      const float weight = __expf(scores[b].values[i] - best);
      scores[b].values[i] = weight;
      total += weight;
      mean += weight * weight_grads[b].values[i];
    }
  const float scale = 1 / sum_over_four(total);
  return {best, scale, sum_over_four(mean) * scale};
}

// Writes what the score gradients of a lane's row sum up to, over each row of the pixel's window and over each column.
template <int K, int blocks>
__device__ inline void store_bias_gradient(const SumFragment (&score_grads)[blocks], const Pixel& pixel, int r, int lane, float* to) {
  for (int n = 0; n < K; ++n) {
    float of_row = 0, of_column = 0;
#pragma unroll
    for (int b = 0; b < blocks; ++b)
      for (int i = 0; i < 2; ++i) {
        const int index = 8 * b + 2 * (lane % 4) + i;
        const float grad = score_grads[b].values[2 * r + i];
        if (index / Tile<K>::side - pixel.row == n) of_row += grad;
        if (index % Tile<K>::side - pixel.column == n) of_column += grad;
      }
    of_row = sum_over_four(of_row);
    of_column = sum_over_four(of_column);
    if (pixel.at < 0 || lane % 4 != 0) continue;
    to[pixel.at * 2 * K + n] = of_row;
    to[pixel.at * 2 * K + K + n] = of_column;
  }
}

// The gradients of the scores in T, as left operands; keeps the row sums for the keys' side.
template <int K, class T, int blocks>
__device__ inline void score_grads_of(SumFragment (&scores)[blocks], const SumFragment (&weight_grads)[blocks], const Pixel (&own)[2],
                                      int lane, PixelSums<float>* pixel_sums, float* grad_bias,
                                      LeftFragment (&score_grads)[blocks / 2]) {
  for (int r = 0; r < 2; ++r) {
    const PixelSums<float> sums = normalize_row(scores, weight_grads, r);
    if (own[r].at >= 0 && lane % 4 == 0) pixel_sums[own[r].at] = sums;
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      float& low = scores[b].values[2 * r];
      float& high = scores[b].values[2 * r + 1];
      low *= sums.scale * (weight_grads[b].values[2 * r] - sums.mean);
      high *= sums.scale * (weight_grads[b].values[2 * r + 1] - sums.mean);
      score_grads[b / 2].pairs[b % 2 * 2 + r] = pair_of<T>(low, high);
    }
    if (grad_bias) store_bias_gradient<K>(scores, own[r], r, lane, grad_bias);
  }
}

// Shared memory: the halo's keys, chunks of its values and of the pixels' output gradients, and the pixels.
template <int K>
inline __host__ __device__ std::int64_t backward_queries_bytes(const Problem& p) {
  const std::int64_t keys = Tile<K>::keys * (padded_to_sixteen(p.embedding) + row_padding);
  return 2 * (keys + (Tile<K>::keys + block_pixels) * (value_chunk + row_padding)) + block_pixels * sizeof(Pixel);
}

// Needs what forward_tiled needs. A block a tile. Writes the sums of every pixel too.
template <int K, class T>
__global__ void __launch_bounds__(tile_threads)
    backward_queries_tiled(Problem p, PlaceBias<float> bias, const T* grad_output, const T* query, const T* key, const T* value,
                           T* grad_query, PixelSums<float>* pixel_sums) {
  constexpr int blocks = Tile<K>::keys / 8, stride = value_chunk + row_padding;
  const int embedding = static_cast<int>(padded_to_sixteen(p.embedding)), key_stride = embedding + row_padding;
  T* keys = static_cast<T*>(dynamic_shared_memory());
  T *values = keys + Tile<K>::keys * key_stride, *grads = values + Tile<K>::keys * stride;
  auto* pixels = reinterpret_cast<Pixel*>(grads + block_pixels * stride);
  const Square<tile_side> tile = tile_at(p, blockIdx.x);
  const Square<Tile<K>::side> halo = halo_of<K>(tile);
  const auto position = [&](int index) { return halo.position(p, index); };
  const auto pixel = [&](int index) { return pixels[index].at; };
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  copy_rows(Tile<K>::keys, position, key, p.embedding, 0, embedding, keys, key_stride);

  for (int base = 0; base < tile_side * tile_side * ratio_of(p).pixels(); base += block_pixels) {
    __syncthreads();
    if (threadIdx.x < block_pixels) pixels[threadIdx.x] = pixel_of(p, tile, base + static_cast<int>(threadIdx.x));
    wait_for_copies();
    __syncthreads();
    const Pixel own[2] = {pixels[row], pixels[row + 8]};
    SumFragment scores[blocks] = {}, weight_grads[blocks] = {};
    add_inner_products(scores, rows_at(own, query, p.embedding), keys, key_stride, static_cast<int>(p.embedding), lane);
    keep_windows<K>(p, bias, halo, own, lane, scores);
    for (std::int64_t channel = 0; channel < p.channels; channel += value_chunk) {
      const int width = chunk_width(p.channels - channel);
      __syncthreads();
      copy_rows(Tile<K>::keys, position, value, p.channels, channel, width, values, stride);
      copy_rows(block_pixels, pixel, grad_output, p.channels, channel, width, grads, stride);
      wait_for_copies();
      __syncthreads();
      const RowPair<T> own_grads = {{grads + row * stride, grads + (row + 8) * stride}};
      add_inner_products(weight_grads, own_grads, values, stride, width, lane);
    }
    LeftFragment score_grads[blocks / 2];
    score_grads_of<K, T>(scores, weight_grads, own, lane, pixel_sums, bias.grad, score_grads);
    weigh_rows(score_grads, keys, key_stride, embedding, lane, [&](int r, int c, float low, float high) {
      store_pair(grad_query, own[r].at, p.embedding, c, low, high);
    });
  }
}

}  // namespace sapa
