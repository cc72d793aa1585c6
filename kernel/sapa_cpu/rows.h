// The rows a pass works on: work space, the map rows around a position row, and the guide rows it owns.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "blocks.h"

namespace {

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;

// Work space. One of no elements has an address too: null may neither be filled nor counted on from.
template <class S>
class Buffer {
 public:
  explicit Buffer(std::int64_t count) {
    constexpr std::int64_t limit = INT64_MAX / static_cast<std::int64_t>(sizeof(S)) - 64;
    void* memory = nullptr;
    if (count < 0 || count > limit) return;  // sizes that 64 bits do not hold
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(S) + 64) / 64 * 64;
    if (posix_memalign(&memory, 64, bytes) == 0) data_ = static_cast<S*>(memory);
  }
  ~Buffer() { free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  S* get() const { return data_; }
  bool ok() const { return data_ != nullptr; }

 private:
  S* data_ = nullptr;
};

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
inline std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
inline std::int64_t round_up(std::int64_t x, std::int64_t to) { return (x + to - 1) / to * to; }

// Asks for `count` elements before they are needed; the processor fetches them while it computes.
template <class T>
inline void prefetch(const T* from, std::int64_t count) {
#if defined(__GNUC__)
  for (std::int64_t i = 0; i < count; i += 64 / static_cast<std::int64_t>(sizeof(T))) __builtin_prefetch(from + i);
  asm volatile("");  // else g++ takes a caller that only prefetches for one without effect, and drops the call
#endif
}

template <class P, class T>
inline void convert(const T* from, typename P::Scalar* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + P::lanes <= count; i += P::lanes) P::store(to + i, P::load(from + i));
  if (i < count) P::store(to + i, P::load(from + i, static_cast<int>(count - i)), static_cast<int>(count - i));
}

// target[e][lane] = source[lane][e], e < embedding; target rows are `stride` apart.
template <class P, class T>
inline void transpose_rows(const T* const* source, std::int64_t embedding, typename P::Scalar* target, std::int64_t stride) {
  typename P::Vec block[P::lanes];
  std::int64_t e = 0;
  for (; e + P::lanes <= embedding; e += P::lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < P::lanes; ++i) block[i] = P::load(source[i] + e);
    P::transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < P::lanes; ++i) P::store(target + (e + i) * stride, block[i]);
  }
  if (e == embedding) return;
  const int rest = static_cast<int>(embedding - e);
  for (int i = 0; i < P::lanes; ++i) block[i] = P::load(source[i] + e, rest);
  P::transpose(block);
  for (int i = 0; i < rest; ++i) P::store(target + (e + i) * stride, block[i]);
}

// Rows of a tensor's own scalars serve as they are, with their heads; others are converted to a row of one head's.
template <class P, class T>
constexpr bool in_place = same<T, typename P::Scalar>;

// Between the positions of such a row.
template <class P, class T>
inline std::int64_t row_stride(const sapa::Problem& p, std::int64_t channels) {
  return in_place<P, T> ? p.heads * channels : channels;
}

// Converts `count` positions of one of a tensor's heads to a row without gaps.
template <class P, class T>
inline void convert_row(const T* from, std::int64_t heads, typename P::Scalar* to, std::int64_t count, std::int64_t channels) {
  for (std::int64_t i = 0; i < count; ++i) convert<P>(from + i * heads * channels, to + i * channels, channels);
}

// A ring of the K map rows in the window of a position row, as rows of scalars.
template <class P, class T>
class MapRows {
  using S = typename P::Scalar;

 public:
  MapRows(const sapa::Problem& p, const void* data, std::int64_t channels)
      : p_(p), data_(static_cast<const T*>(data)), channels_(channels), size_(p.width * channels),
        ring_(in_place<P, T> ? 0 : p.kernel_size * size_), rows_(p.kernel_size) {}
  bool ok() const { return ring_.ok() && rows_.ok(); }

  void load(std::int64_t plane, std::int64_t y) {
    if constexpr (!in_place<P, T>)
      convert_row<P>(tensor(plane, y), p_.heads, ring_.get() + y % p_.kernel_size * size_, p_.width, channels_);
  }
  // The K rows of the windows centred at y; rows outside the map are null.
  const S* const* around(std::int64_t plane, std::int64_t y) {
    for (std::int64_t n = 0; n < p_.kernel_size; ++n) {
      const std::int64_t row = p_.window_row(y) + n;
      const S* at = nullptr;
      if (row >= 0 && row < p_.height) {
        if constexpr (in_place<P, T>) at = tensor(plane, row);
        else at = ring_.get() + row % p_.kernel_size * size_;
      }
      rows_.get()[n] = at;
    }
    return rows_.get();
  }
  const T* tensor(std::int64_t plane, std::int64_t y) const { return data_ + p_.position(plane, y, 0) * channels_; }

 private:
  const sapa::Problem& p_;
  const T* data_;
  std::int64_t channels_, size_;
  Buffer<S> ring_;
  Buffer<const S*> rows_;
};

// A ring of the K key rows in the window, transposed to (embedding, radius + width + padding), zero outside the map. What is
// read beyond the last row, by lanes that are dropped, is zero too.
template <class P, class T>
class TransposedKeys {
  using S = typename P::Scalar;

 public:
  TransposedKeys(const sapa::Problem& p, const void* key)
      : p_(p), key_(static_cast<const T*>(key)), stride_(round_up(p.width, P::lanes) + 2 * p.radius()),
        ring_(p.kernel_size * p.embedding * stride_ + P::lanes), zeros_(p.embedding) {
    if (!ok()) return;
    memset(ring_.get(), 0, sizeof(S) * static_cast<std::size_t>(p.kernel_size * p.embedding * stride_ + P::lanes));
    memset(zeros_.get(), 0, sizeof(T) * static_cast<std::size_t>(p.embedding));
  }
  bool ok() const { return ring_.ok() && zeros_.ok(); }
  std::int64_t stride() const { return stride_; }
  const S* row(std::int64_t y) const { return ring_.get() + y % p_.kernel_size * p_.embedding * stride_; }

  void load(std::int64_t plane, std::int64_t y) {
    const T* from = key_ + p_.position(plane, y, 0) * p_.embedding;
    for (std::int64_t x = 0; x < p_.width; x += P::lanes) {
      const T* source[P::lanes];
      for (int i = 0; i < P::lanes; ++i) source[i] = x + i < p_.width ? from + (x + i) * p_.heads * p_.embedding : zeros_.get();
      transpose_rows<P>(source, p_.embedding, const_cast<S*>(row(y)) + p_.radius() + x, stride_);
    }
  }

 private:
  const sapa::Problem& p_;
  const T* key_;
  std::int64_t stride_;
  Buffer<S> ring_;
  Buffer<T> zeros_;
};

// Up to four of the guide pixels that read one window: guide rows `top` + row, and places in the position's columns.
struct Slots {
  std::int64_t top, row[4], column[4];
  int count;
};

// Which guide pixels read which window: row by row, `columns` slots a position, of which count(x) are filled.
class GuideGrid {
 public:
  explicit GuideGrid(const sapa::Problem& p) : columns(p.most_columns()), rows_(p.height + 1), columns_(p.width + 1) {
    if (!ok()) return;
    for (std::int64_t y = 0; y <= p.height; ++y) rows_.get()[y] = p.first_row(y);
    for (std::int64_t x = 0; x <= p.width; ++x) columns_.get()[x] = p.first_column(x);
  }
  bool ok() const { return rows_.ok() && columns_.ok(); }
  std::int64_t first_row(std::int64_t y) const { return rows_.get()[y]; }
  std::int64_t rows(std::int64_t y) const { return first_row(y + 1) - first_row(y); }
  std::int64_t first(std::int64_t x) const { return columns_.get()[x]; }
  std::int64_t count(std::int64_t x) const { return first(x + 1) - first(x); }

  // The slots from `first` on of the positions of row y.
  Slots slots(std::int64_t y, std::int64_t first) const {
    Slots slots{first_row(y), {}, {}, static_cast<int>(least(4, rows(y) * columns - first))};
    for (int q = 0; q < slots.count; ++q) {
      slots.row[q] = (first + q) / columns;
      slots.column[q] = (first + q) % columns;
    }
    return slots;
  }

  const std::int64_t columns;

 private:
  Buffer<std::int64_t> rows_, columns_;
};

template <class S>
inline Window<S> window_at(const sapa::Problem& p, const S* const* rows, std::int64_t stride, std::int64_t y, std::int64_t x) {
  const std::int64_t top = p.window_row(y), left = p.window_column(x);
  return {rows, stride, left, most(0, -top), least(p.kernel_size, p.height - top),
          most(0, -left), least(p.kernel_size, p.width - left), p.kernel_size};
}

}  // namespace
