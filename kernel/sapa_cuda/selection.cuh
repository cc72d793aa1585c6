// Which kernel a call takes; the first line of its pass that holds.
//
// | pass              | dtype             | needs             | kernel                                      | sums   |
// |-------------------|-------------------|-------------------|---------------------------------------------|--------|
// | forward           | bfloat16, float16 | tiles of 8        | forward_tiled, tensor cores                 | float  |
// |                   | float32           | tiles of 4        | forward_windows, register tiles             | float  |
// |                   | any               |                   | forward_generic                             | float* |
// | backward, queries | bfloat16, float16 | tiles of 8        | backward_queries_tiled, tensor cores        | float  |
// |                   | float32           | tiles of 4        | backward_queries_windows, register tiles    | float  |
// |                   | any               |                   | backward_queries                            | float* |
// | backward, keys    | bfloat16, float16 | tiles of 8        | backward_keys_tiled, tensor cores           | float  |
// |                   | float32           | tiles of 4        | backward_keys_windows, register tiles       | float  |
// |                   | any               |                   | backward_keys                               | float* |
//
// "Tiles of n": a border other than shift; a window of 3, 5 or 7; guide sizes that are 1 to 64 times the map's; d and C positive multiples of n; all tensors
// aligned to 16 bytes; the shared memory of the kernel's ..._bytes within what the device grants a block on request (163 KB on
// sm_80, 99 KB on sm_86, 227 KB on sm_90); fewer than 2^31 blocks. float*: double for float64. Both sides of a backward pass
// choose on their own: they share the layout of the pixels' sums only. No kernel adds atomically: every result is
// deterministic. All offsets into tensors, and the sizes on which a choice rests, are 64-bit.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "backward_keys_tiled.cuh"
#include "backward_keys_windows.cuh"
#include "backward_queries_windows.cuh"
#include "forward_tiled.cuh"
#include "forward_windows.cuh"
#include "generic.cuh"

namespace sapa {

inline bool has_tiles(const Problem& p, int multiple, std::initializer_list<const void*> tensors) {
  for (const void* tensor : tensors)
    if (reinterpret_cast<std::uintptr_t>(tensor) % 16 != 0) return false;
  return p.border != Border::shift && p.guide_height % p.height == 0 && p.guide_width % p.width == 0 && p.guide_height / p.height <= 64 &&
         p.guide_width / p.width <= 64 && p.embedding > 0 && p.embedding % multiple == 0 && p.channels > 0 && p.channels % multiple == 0;
}

// Calls f with a window size that tiles are compiled for, as a constant; false for any other size.
template <class F>
bool with_tile_window(std::int64_t kernel_size, F&& f) {
  switch (kernel_size) {
    case 3: return f(std::integral_constant<int, 3>{});
    case 5: return f(std::integral_constant<int, 5>{});
    case 7: return f(std::integral_constant<int, 7>{});
    default: return false;
  }
}

inline std::int64_t tiles_of(const Problem& p) { return p.planes() * tiles_of_plane(p); }

}  // namespace sapa
