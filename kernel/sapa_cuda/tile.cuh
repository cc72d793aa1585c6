// The tile of 4 x 4 map positions that a block owns, the halo around it, the guide pixels under both, and how rows of channels
// come into shared memory. For integer ratios only.
#pragma once

#include "device.cuh"

namespace sapa {

constexpr int tile_side = 4, tile_positions = tile_side * tile_side, tile_threads = 128, tile_warps = tile_threads / 32;

template <int K>
struct Tile {
  static constexpr int side = tile_side + K - 1;             // of the halo
  static constexpr int keys = (side * side + 15) / 16 * 16;  // padded to the depth of a tensor-core product
};

// A square of map positions, which may lie across the map's border. Indices count its positions row by row.
template <int side>
struct Square {
  std::int64_t plane, top, left;

  static constexpr int positions = side * side;

  __device__ bool holds(const Problem& p, int index) const {
    const std::int64_t row = top + index / side, column = left + index % side;
    return index < positions && row >= 0 && row < p.height && column >= 0 && column < p.width;
  }
  // Where the position's numbers lie in a map, or -1 outside.
  __device__ std::int64_t position(const Problem& p, int index) const {
    return holds(p, index) ? p.position(plane, top + index / side, left + index % side) : -1;
  }
};

// A guide pixel under a square, and where in the square its window is centred.
struct Pixel {
  std::int64_t at;  // where its numbers lie in query and output; -1 outside the guide
  int row, column;
};

struct Ratio {
  int rows, columns;

  __device__ int pixels() const { return rows * columns; }
};

inline __host__ __device__ Ratio ratio_of(const Problem& p) {
  return {static_cast<int>(p.guide_height / p.height), static_cast<int>(p.guide_width / p.width)};
}

// The pixel of a square by its index, row by row of the guide.
template <int side>
__device__ inline Pixel pixel_of(const Problem& p, const Square<side>& square, int index) {
  const Ratio ratio = ratio_of(p);
  const int i = index / (side * ratio.columns), j = index % (side * ratio.columns);
  const std::int64_t row = square.top * ratio.rows + i, column = square.left * ratio.columns + j;
  const bool inside = i < side * ratio.rows && row >= 0 && row < p.guide_height && column >= 0 && column < p.guide_width;
  return {inside ? p.pixel(square.plane, row, column) : -1, i / ratio.rows, j / ratio.columns};
}

// Whether the window of a pixel centred `rows` and `columns` before a position, in a halo's count, holds that position.
template <int K>
__device__ inline bool in_window(int rows, int columns) {
  return rows >= 0 && rows < K && columns >= 0 && columns < K;
}

inline __host__ __device__ std::int64_t tiles_across(const Problem& p) { return (p.width + tile_side - 1) / tile_side; }
inline __host__ __device__ std::int64_t tiles_of_plane(const Problem& p) {
  return tiles_across(p) * ((p.height + tile_side - 1) / tile_side);
}

__device__ inline Square<tile_side> tile_at(const Problem& p, std::int64_t index) {
  const std::int64_t tile = index % tiles_of_plane(p);
  return {index / tiles_of_plane(p), tile / tiles_across(p) * tile_side, tile % tiles_across(p) * tile_side};
}

template <int K>
__device__ inline Square<Tile<K>::side> halo_of(const Square<tile_side>& tile) {
  return {tile.plane, tile.top - K / 2, tile.left - K / 2};
}

inline __host__ __device__ std::int64_t padded_to_sixteen(std::int64_t channels) { return (channels + 15) / 16 * 16; }

// Starts copying channels `first` .. `first + width` of `count` rows into shared memory, `stride` elements apart. row_of(index)
// is a row of `from`, which has `channels` channels, or -1; such rows and what lies past the last channel become zeros.
template <class T, class Row>
__device__ inline void copy_rows(int count, Row&& row_of, const T* from, std::int64_t channels, std::int64_t first, int width, T* to,
                                 int stride) {
  if (width == 0) return;
  constexpr int many = 16 / sizeof(T);
  const int steps = (width + many - 1) / many, rows_on = tile_threads / steps, steps_on = tile_threads % steps;
  int row = threadIdx.x / steps, step = threadIdx.x % steps;
  while (row < count) {
    const std::int64_t at = row_of(row), channel = first + many * step;
    const bool there = at >= 0 && channel < channels;
    copy_sixteen(to + row * stride + many * step, there ? from + at * channels + channel : from, there);
    row += rows_on;
    step += steps_on;
    if (step >= steps) {
      step -= steps;
      ++row;
    }
  }
}

}  // namespace sapa
