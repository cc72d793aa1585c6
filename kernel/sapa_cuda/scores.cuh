// The scores of a tile's pixels with the keys of its halo, as tensor-core sums.
#pragma once

#include "bias.cuh"
#include "fragments.cuh"
#include "softmax.cuh"
#include "tile.cuh"

namespace sapa {

// Padding shifts the rows' banks; values come into shared memory by chunks of channels.
constexpr int row_padding = 8, value_chunk = 128;

__device__ inline int chunk_width(std::int64_t rest) {
  return rest < value_chunk ? static_cast<int>(padded_to_sixteen(rest)) : value_chunk;
}

// A lane's two rows in global memory.
template <class T>
__device__ inline RowPair<T> rows_at(const Pixel (&own)[2], const T* from, std::int64_t channels) {
  return {{own[0].at < 0 ? nullptr : from + own[0].at * channels, own[1].at < 0 ? nullptr : from + own[1].at * channels}};
}

// Whether the softmax of a tile's pixel counts a position of the halo.
template <int K>
__device__ inline bool counts(const Problem& p, const Square<Tile<K>::side>& halo, const Pixel& pixel, int index) {
  const int row = index / Tile<K>::side, column = index % Tile<K>::side;
  return in_window<K>(row - pixel.row, column - pixel.column) && (p.border == Border::zero || halo.holds(p, index));
}

// Adds the bias to the scores, and turns those of what is in no window into -infinity.
template <int K, int blocks>
__device__ inline void keep_windows(const Problem& p, const PlaceBias<float>& bias, const Square<Tile<K>::side>& halo,
                                    const Pixel (&own)[2], int lane, SumFragment (&scores)[blocks]) {
  const PixelBias<float> own_bias[2] = {bias.of(p, own[0].at), bias.of(p, own[1].at)};
#pragma unroll
  for (int b = 0; b < blocks; ++b)
    for (int i = 0; i < 4; ++i) {
      const int index = 8 * b + 2 * (lane % 4) + i % 2;
      const Pixel& pixel = own[i / 2];
      if (!counts<K>(p, halo, pixel, index)) scores[b].values[i] = -INFINITY;
      else scores[b].values[i] += own_bias[i / 2].logit(index / Tile<K>::side - pixel.row, index % Tile<K>::side - pixel.column);
    }
}

template <int blocks>
__device__ inline float best_of_row(const SumFragment (&scores)[blocks], int r) {
  float best = -INFINITY;
#pragma unroll
  for (int b = 0; b < blocks; ++b) best = fmaxf(best, fmaxf(scores[b].values[2 * r], scores[b].values[2 * r + 1]));
  return maximum_over_four(best);
}

// Writes two neighbouring channels of a row, where there are such a row and such channels.
template <class T>
__device__ inline void store_pair(T* to, std::int64_t row, std::int64_t channels, std::int64_t channel, float low, float high) {
  if (row >= 0 && channel < channels) *reinterpret_cast<std::uint32_t*>(to + row * channels + channel) = pair_of<T>(low, high);
}

}  // namespace sapa
