// Sizes of one upsampling call and the index arithmetic every CPU path shares.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define SAPA_EVERYWHERE __host__ __device__
#else
#define SAPA_EVERYWHERE
#endif

namespace sapa {

enum class Element { float32, float64, bfloat16, float16 };
enum class Border { zero, mask, shift };  // shift: windows at the edge are moved inside the map

// Storage of the half types: the vector code converts their bits itself.
struct BFloat16 { std::uint16_t bits; };
struct Float16 { std::uint16_t bits; };

// Channels-last: query (B, guide_height, guide_width, heads, d), key (B, height, width, heads, d), value (B, height, width,
// heads, C). A plane is one head of one image: plane = image * heads + head.
struct Problem {
  std::int64_t batch, height, width, guide_height, guide_width, heads, embedding, channels, kernel_size;
  Border border;
  Element element;

  SAPA_EVERYWHERE std::int64_t planes() const { return batch * heads; }
  // Where the d or C numbers of a plane's map position, or guide pixel, lie in their tensor, in rows of d or C.
  SAPA_EVERYWHERE std::int64_t position(std::int64_t plane, std::int64_t row, std::int64_t column) const {
    return ((plane / heads * height + row) * width + column) * heads + plane % heads;
  }
  SAPA_EVERYWHERE std::int64_t pixel(std::int64_t plane, std::int64_t row, std::int64_t column) const {
    return ((plane / heads * guide_height + row) * guide_width + column) * heads + plane % heads;
  }

  SAPA_EVERYWHERE std::int64_t radius() const { return kernel_size / 2; }
  SAPA_EVERYWHERE std::int64_t taps() const { return kernel_size * kernel_size; }
  // The guide rows whose window is centred at `row`: first_row(row) .. first_row(row + 1), from (i' * H) // H' == row.
  SAPA_EVERYWHERE std::int64_t first_row(std::int64_t row) const { return (row * guide_height + height - 1) / height; }
  SAPA_EVERYWHERE std::int64_t first_column(std::int64_t column) const { return (column * guide_width + width - 1) / width; }
  // The place, along an axis of `size`, under the first tap of the windows centred at `centre`; may lie outside the map.
  SAPA_EVERYWHERE std::int64_t window_start(std::int64_t centre, std::int64_t size) const {
    const std::int64_t start = centre - radius(), last = size - kernel_size;
    if (border != Border::shift) return start;
    return start < 0 ? 0 : start > last ? last : start;
  }
  SAPA_EVERYWHERE std::int64_t window_row(std::int64_t centre) const { return window_start(centre, height); }
  SAPA_EVERYWHERE std::int64_t window_column(std::int64_t centre) const { return window_start(centre, width); }
  // The centres, along an axis of `size`, whose windows hold a place: first_reader(place) .. past_reader(place, size).
  SAPA_EVERYWHERE std::int64_t first_reader(std::int64_t place) const {
    const bool all = place < (border == Border::shift ? kernel_size : radius());
    return all ? 0 : place - radius();
  }
  SAPA_EVERYWHERE std::int64_t past_reader(std::int64_t place, std::int64_t size) const {
    const bool all = place >= size - (border == Border::shift ? kernel_size : radius());
    return all ? size : place + radius() + 1;
  }
  std::int64_t most_rows() const { return (guide_height + height - 1) / height; }
  std::int64_t most_columns() const { return (guide_width + width - 1) / width; }
};

// Logits by place, in the type of the sums: rows (guide_height, K) and columns (guide_width, K); both null without a bias.
struct Bias {
  const void *rows, *columns;
};

struct Forward {
  Problem problem;
  const void *query, *key, *value;
  Bias bias;
  void* output;
};

// grad_bias: (B, guide_height, guide_width, 2 * K), every query's score gradients summed over each row of its window, then over
// each column; null without a bias.
struct Backward {
  Problem problem;
  const void *grad_output, *query, *key, *value;
  Bias bias;
  void *grad_query, *grad_key, *grad_value, *grad_bias;
};

// Each path works on the position rows begin .. end of the B * H rows; results do not depend on how rows are split.
// They return false when the work space cannot be allocated.
using ForwardRows = bool (*)(const Forward&, std::int64_t begin, std::int64_t end);
using BackwardRows = bool (*)(const Backward&, std::int64_t begin, std::int64_t end);

bool forward_portable(const Forward&, std::int64_t begin, std::int64_t end);
bool backward_portable(const Backward&, std::int64_t begin, std::int64_t end);
#if defined(__x86_64__)
bool forward_avx2(const Forward&, std::int64_t begin, std::int64_t end);
bool backward_avx2(const Backward&, std::int64_t begin, std::int64_t end);
bool forward_avx512(const Forward&, std::int64_t begin, std::int64_t end);
bool backward_avx512(const Backward&, std::int64_t begin, std::int64_t end);
#endif

}  // namespace sapa
