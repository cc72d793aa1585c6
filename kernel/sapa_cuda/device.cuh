// What the kernels need of a CUDA device. The tests compile the same kernels for an emulated device on the CPU.
#pragma once

#if defined(SAPA_EMULATED_DEVICE)
#include "emulated_device.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

__device__ inline void* dynamic_shared_memory() {
  extern __shared__ __align__(16) unsigned char sapa_shared[];
  return sapa_shared;
}

// Starts copying 16 bytes into shared memory, or zeros where `there` is false; both addresses are multiples of 16.
__device__ inline void copy_sixteen(void* to, const void* from, bool there) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(from), "r"(there ? 16 : 0) : "memory");
}

// Waits for the copies this thread has started; the other threads see them after the next __syncthreads().
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;\n" ::: "memory"); }
#endif

#include <cstdint>

#include "../sapa_cpu/problem.h"

namespace sapa {

constexpr unsigned all_lanes = 0xffffffffu;

// Sums run in float, in double for double.
template <class T> struct Sum { using type = float; };
template <> struct Sum<double> { using type = double; };

__device__ inline float wide(float x) { return x; }
__device__ inline double wide(double x) { return x; }
__device__ inline float wide(__half x) { return __half2float(x); }
__device__ inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void narrow(float x, float* to) { *to = x; }
__device__ inline void narrow(double x, double* to) { *to = x; }
__device__ inline void narrow(float x, __half* to) { *to = __float2half(x); }
__device__ inline void narrow(float x, __nv_bfloat16* to) { *to = __float2bfloat16(x); }
__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }

template <class S>
__device__ inline S sum_over_warp(S x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(all_lanes, x, step);
  return x;
}

// The inner product of two rows, spread over a warp; every lane gets it.
template <class T>
__device__ inline typename Sum<T>::type warp_product(const T* a, const T* b, std::int64_t size, int lane) {
  typename Sum<T>::type sum = 0;
  for (std::int64_t i = lane; i < size; i += 32) sum += wide(a[i]) * wide(b[i]);
  return sum_over_warp(sum);
}

}  // namespace sapa
