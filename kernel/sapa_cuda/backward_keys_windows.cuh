// The gradients of keys and values in float32. A block owns 4 x 4 map positions and gathers from four pixels of each position
// of the halo at a time; products and sums run over exactly the pixels whose windows hold a position.
#pragma once

#include "windows.cuh"

namespace sapa {

constexpr int reader_chunk = 32;  // channels in shared memory, at a time

// In floats; see WindowMemory for the banks.
template <int K>
struct ReaderMemory {
  static constexpr int readers = Tile<K>::side * Tile<K>::side * quad;
  static constexpr int row = reader_chunk + 4, halo_row = Tile<K>::side * quad * row + 16;
  static constexpr int rows = Tile<K>::side * halo_row, own = tile_positions * row, weights = K * K * quad_pixels;
  static constexpr int bytes = 4 * (rows + own + 2 * weights) + readers * (8 + sizeof(PixelSums<float>));
};

template <int K>
struct ReaderTile {
  static constexpr int side = Tile<K>::side;
  using Memory = ReaderMemory<K>;

  const Problem& p;
  Square<tile_side> tile;
  Square<side> halo;
  float *rows, *own;           // chunks of channels: of the halo's pixels, four a position, and of the tile's positions
  float *weights, *grads;      // [position][tap][pixel of the halo's position there]
  std::int64_t* pixels;        // [position of the halo][its pixel], as rows
  PixelSums<float>* sums;

  __device__ ReaderTile(const Problem& problem, float* memory)
      : p(problem),
        tile(tile_at(problem, blockIdx.x)),
        halo(halo_of<K>(tile)),
        rows(memory),
        own(rows + Memory::rows),
        weights(own + Memory::own),
        grads(weights + Memory::weights),
        pixels(reinterpret_cast<std::int64_t*>(grads + Memory::weights)),
        sums(reinterpret_cast<PixelSums<float>*>(pixels + Memory::readers)) {}

  // Chooses pixels `base` .. `base + 3` of every position of the halo.
  __device__ void choose_pixels(int base, const PixelSums<float>* pixel_sums) const {
    __syncthreads();
    for (int i = threadIdx.x; i < Memory::readers; i += tile_threads) {
      pixels[i] = pixel_under(p, halo, i / quad, base + i % quad);
      if (pixels[i] >= 0) sums[i] = pixel_sums[pixels[i]];
    }
    __syncthreads();
  }

  __device__ void copy_readers(const float* from, std::int64_t channels, std::int64_t first, int width) const {
    for (int row = 0; row < side; ++row)
      copy_rows(side * quad, [&](int i) { return pixels[row * side * quad + i]; }, from, channels, first, width,
                rows + row * Memory::halo_row, Memory::row);
  }

  // Adds the products of tile row `row` with pixel `s` of each position of tap row `n`.
  __device__ void add_products(int row, int n, int s, int width, float (&products)[tile_side][K]) const {
    for (int c = 0; c < width; c += 4) {
      float4 of_positions[tile_side];
#pragma unroll
      for (int j = 0; j < tile_side; ++j) of_positions[j] = four(own + (row * tile_side + j) * Memory::row + c);
#pragma unroll
      for (int column = 0; column < side; ++column) {
        const float4 x = four(rows + (row + n) * Memory::halo_row + (column * quad + s) * Memory::row + c);
#pragma unroll
        for (int j = 0; j < tile_side; ++j)
          if (column - j >= 0 && column - j < K) products[j][column - j] += product(of_positions[j], x);
      }
    }
  }

  __device__ void multiply(const float* of_pixels, const float* of_positions, std::int64_t channels,
                           float (&products)[tile_side][K]) const {
    const int s = threadIdx.x % quad, row = threadIdx.x / quad % tile_side, n = threadIdx.x / tile_positions;
    for (std::int64_t first = 0; first < channels; first += reader_chunk) {
      const int width = channels - first < reader_chunk ? static_cast<int>(channels - first) : reader_chunk;
      __syncthreads();
      copy_rows(tile_positions, [&](int i) { return tile.position(p, i); }, of_positions, channels, first, width, own, Memory::row);
      copy_readers(of_pixels, channels, first, width);
      wait_for_copies();
      __syncthreads();
      if (n < K) add_products(row, n, s, width, products);
    }
  }

  __device__ void put_weights(const PlaceBias<float>& bias, const float (&scores)[tile_side][K],
                              const float (&weight_grads)[tile_side][K]) const {
    const int s = threadIdx.x % quad, row = threadIdx.x / quad % tile_side, n = threadIdx.x / tile_positions;
    if (n >= K) return;
#pragma unroll
    for (int j = 0; j < tile_side; ++j)
#pragma unroll
      for (int m = 0; m < K; ++m) {
        const int reader = ((row + n) * side + j + m) * quad + s, at = ((row * tile_side + j) * K * K + n * K + m) * quad + s;
        const bool reads = pixels[reader] >= 0;
        // A reader that lies n rows down the halo has this position in its window's row K - 1 - n.
        const float score = scores[j][m] + bias.of(p, pixels[reader]).logit(K - 1 - n, K - 1 - m);
        const float weight = reads ? weight_of(sums[reader], score) : 0;
        weights[at] = weight;
        grads[at] = reads ? weight * (weight_grads[j][m] - sums[reader].mean) : 0;
      }
  }

  // Adds to (or, with `fresh`, writes) the positions' sums of pixels' rows, weighted by `of`, for one chunk of channels.
  __device__ void gather_chunk(const float* of, const float* from, std::int64_t channels, std::int64_t first, bool fresh,
                               float* to) const {
    const int row = threadIdx.x / 32, s = threadIdx.x % 32 / 8, c = threadIdx.x % 8 * 4;
    __syncthreads();
    copy_readers(from, channels, first, channels - first < reader_chunk ? static_cast<int>(channels - first) : reader_chunk);
    wait_for_copies();
    __syncthreads();
    float4 sums_of[tile_side] = {};
    for (int n = 0; n < K; ++n)
#pragma unroll
      for (int column = 0; column < side; ++column) {
        const float4 x = four(rows + (row + n) * Memory::halo_row + (column * quad + s) * Memory::row + c);
#pragma unroll
        for (int j = 0; j < tile_side; ++j)
          if (column - j >= 0 && column - j < K)
            add_scaled(sums_of[j], of[((row * tile_side + j) * K * K + n * K + column - j) * quad + s], x);
      }
#pragma unroll
    for (int j = 0; j < tile_side; ++j) {  // each of the four lanes with the same channels writes one position
      const float4 own_sum = sums_of[j];
      const float4 sum = {over_pixels(own_sum.x), over_pixels(own_sum.y), over_pixels(own_sum.z), over_pixels(own_sum.w)};
      const std::int64_t at = tile.position(p, row * tile_side + j);
      if (j == s && at >= 0 && first + c < channels) store(sum, fresh, to + at * channels + first + c);
    }
  }

  static __device__ float over_pixels(float x) {
    x += __shfl_xor_sync(all_lanes, x, 8);
    return x + __shfl_xor_sync(all_lanes, x, 16);
  }

  static __device__ void store(float4 sum, bool fresh, float* to) {
    if (!fresh) add_scaled(sum, 1, four(to));
    __stwb(&four(to), sum);
  }
};

// Needs what forward_windows needs, and the sums of every pixel. A block a tile.
template <int K>
__global__ void __launch_bounds__(tile_threads, 2)
    backward_keys_windows(Problem p, PlaceBias<float> bias, const float* grad_output, const float* query, const float* key,
                          const float* value, const PixelSums<float>* pixel_sums, float* grad_key, float* grad_value) {
  const ReaderTile<K> work(p, static_cast<float*>(dynamic_shared_memory()));
  for (int base = 0; base < ratio_of(p).pixels(); base += quad) {
    float scores[tile_side][K] = {}, weight_grads[tile_side][K] = {};
    work.choose_pixels(base, pixel_sums);
    work.multiply(query, key, p.embedding, scores);
    work.multiply(grad_output, value, p.channels, weight_grads);
    work.put_weights(bias, scores, weight_grads);
    for (std::int64_t first = 0; first < p.channels; first += reader_chunk)
      work.gather_chunk(work.weights, grad_output, p.channels, first, base == 0, grad_value);
    for (std::int64_t first = 0; first < p.embedding; first += reader_chunk)
      work.gather_chunk(work.grads, query, p.embedding, first, base == 0, grad_key);
  }
}

}  // namespace sapa
