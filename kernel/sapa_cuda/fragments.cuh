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

// Two neighbouring right operands out of rows in shared memory: `row` is this lane's row of four 8 x 8 blocks,
// rows 0-7 and 8-15 of columns 0-7, then of columns 8-15.
template <class T>
__device__ inline void load_transposed(RightFragment (&b)[2], const T* row) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(b[0].pairs[0]), "=r"(b[0].pairs[1]), "=r"(b[1].pairs[0]), "=r"(b[1].pairs[1])
               : "r"(address));
}
#endif

}  // namespace sapa
