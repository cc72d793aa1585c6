// Tensor-core products of bfloat16 and float16 with float32 sums: mma.sync m16n8k16, any GPU from sm_80 on.
#pragma once

#include "device.cuh"

namespace sapa {

// The 16 x 16 left operand, row-major: lane holds rows lane / 4 (+ 8), columns 2 (lane % 4) + {0, 1} (+ 8).
struct LeftFragment { std::uint32_t pairs[4]; };
// A 16 x 8 right operand: lane holds rows 2 (lane % 4) + {0, 1} (+ 8) of column lane / 4.
struct RightFragment { std::uint32_t pairs[2]; };
// The 16 x 8 sums: lane holds rows lane / 4 (+ 8), columns 2 (lane % 4) + {0, 1}.
struct SumFragment { float values[4]; };

template <class T>
__device__ inline std::uint32_t pair_of(float low, float high) {
  T halves[2];
  narrow(low, &halves[0]);
  narrow(high, &halves[1]);
  std::uint32_t pair;
  memcpy(&pair, halves, sizeof pair);
  return pair;
}

template <class T>
__device__ inline float rounded(float x) {
  T half;
  narrow(x, &half);
  return wide(half);
}

#if !defined(SAPA_EMULATED_DEVICE)
template <class T>
__device__ inline void multiply_add(SumFragment& sum, const LeftFragment& a, const RightFragment& b);

template <>
__device__ inline void multiply_add<__half>(SumFragment& sum, const LeftFragment& a, const RightFragment& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(sum.values[0]), "+f"(sum.values[1]), "+f"(sum.values[2]), "+f"(sum.values[3])
      : "r"(a.pairs[0]), "r"(a.pairs[1]), "r"(a.pairs[2]), "r"(a.pairs[3]), "r"(b.pairs[0]), "r"(b.pairs[1]));
}

template <>
__device__ inline void multiply_add<__nv_bfloat16>(SumFragment& sum, const LeftFragment& a, const RightFragment& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(sum.values[0]), "+f"(sum.values[1]), "+f"(sum.values[2]), "+f"(sum.values[3])
      : "r"(a.pairs[0]), "r"(a.pairs[1]), "r"(a.pairs[2]), "r"(a.pairs[3]), "r"(b.pairs[0]), "r"(b.pairs[1]));
}

// Four 8 x 8 blocks of shared memory, each transposed: lanes 8 i .. 8 i + 7 name the rows of block i.
template <class T>
__device__ inline void load_transposed(std::uint32_t (&pairs)[4], const T* row) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
               : "r"(address)
               : "memory");
}
#endif

// 16 x 16 numbers at `block` as two right operands, of columns 0-7 and 8-15.
template <class T>
__device__ inline void load_right(RightFragment (&b)[2], const T* block, int stride, int lane) {
  std::uint32_t pairs[4];
  load_transposed(pairs, block + lane % 16 * stride + lane / 16 * 8);
  b[0] = {{pairs[0], pairs[1]}};
  b[1] = {{pairs[2], pairs[3]}};
}

// The transpose of 16 x 16 numbers at `block` as a left operand.
template <class T>
__device__ inline void load_left_transposed(LeftFragment& a, const T* block, int stride, int lane) {
  load_transposed(a.pairs, block + (lane % 8 + lane / 16 * 8) * stride + lane / 8 % 2 * 8);
}

// A lane's two of 16 rows on the left of a product; null for a row of zeros.
template <class T>
struct RowPair { const T* rows[2]; };

// Adds the inner products of 16 rows on the left with 8 * blocks rows in shared memory on the right, which are zero from
// `width` up to a multiple of 16.
template <class T, int blocks>
__device__ inline void add_inner_products(SumFragment (&sums)[blocks], const RowPair<T>& left, const T* right, int stride, int width,
                                          int lane) {
  for (int c = 0; c < width; c += 16) {
    LeftFragment a;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = c + 2 * (lane % 4) + i / 2 * 8;
      a.pairs[i] = left.rows[i % 2] == nullptr || at >= width ? 0 : *reinterpret_cast<const std::uint32_t*>(left.rows[i % 2] + at);
    }
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      const T* at = right + (8 * b + lane / 4) * stride + c + 2 * (lane % 4);
      const RightFragment two = {{*reinterpret_cast<const std::uint32_t*>(at), *reinterpret_cast<const std::uint32_t*>(at + 8)}};
      multiply_add<T>(sums[b], a, two);
    }
  }
}

// Calls store(0 or 1 of the lane's rows, column, two sums) for the products of 16 rows of weights with rows in shared memory.
template <class T, int steps, class Store>
__device__ inline void weigh_rows(const LeftFragment (&weights)[steps], const T* rows, int stride, int width, int lane,
                                  Store&& store) {
  for (int c = 0; c < width; c += 16) {
    SumFragment sums[2] = {};
#pragma unroll
    for (int k = 0; k < steps; ++k) {
      RightFragment b[2];
      load_right(b, rows + 16 * k * stride + c, stride, lane);
      multiply_add<T>(sums[0], weights[k], b[0]);
      multiply_add<T>(sums[1], weights[k], b[1]);
    }
    for (int h = 0; h < 2; ++h)
      for (int r = 0; r < 2; ++r) store(r, c + 8 * h + 2 * (lane % 4), sums[h].values[2 * r], sums[h].values[2 * r + 1]);
  }
}

}  // namespace sapa
