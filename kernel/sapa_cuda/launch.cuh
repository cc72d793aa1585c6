// Launches on torch's current stream of the tensors' device.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/headeronly/util/Exception.h>

#include "generic.cuh"
#include "tiled.cuh"

// Exported by torch's CUDA library only; weak, so that this library also loads where torch has no CUDA.
extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(std::int32_t device, void** stream);

namespace sapa {

inline void check(cudaError_t error, const char* what) {
  STD_TORCH_CHECK(error == cudaSuccess, "sapa: ", what, ": ", cudaGetErrorString(error));
}

inline cudaStream_t current_stream(std::int32_t device) {
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr, "sapa: this torch has no CUDA");
  void* stream = nullptr;
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream(device, &stream) == 0, "sapa: no current CUDA stream");
  return static_cast<cudaStream_t>(stream);
}

constexpr int generic_threads = 128;

inline unsigned generic_blocks(std::int64_t items) {  // a warp an item; the kernels stride over what is more
  const std::int64_t blocks = (items + generic_threads / 32 - 1) / (generic_threads / 32);
  return static_cast<unsigned>(blocks < 1 << 20 ? blocks : 1 << 20);
}

inline bool is_aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

// Runs the tensor-core kernel where its rules hold; says whether it did.
template <int K, class T>
bool launch_tiled(const Forward& call, std::int32_t device, cudaStream_t stream) {
  const Problem& p = call.problem;
  if (p.kernel_size != K || p.guide_height % p.height || p.guide_width % p.width || p.embedding % 16 || p.embedding == 0 ||
      p.channels % 8 || p.guide_height / p.height > 64 || p.guide_width / p.width > 64)
    return false;
  if (!is_aligned(call.query) || !is_aligned(call.key) || !is_aligned(call.value) || !is_aligned(call.output)) return false;
  const std::int64_t tiles = p.batch * ((p.height + tile_side - 1) / tile_side) * ((p.width + tile_side - 1) / tile_side);
  const std::int64_t bytes = tile_bytes<K>(p.embedding);
  int limit = 0;
  check(cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "shared memory limit");
  if (bytes > limit || tiles > 0x7fffffff) return false;
  if (bytes > 48 * 1024)
    check(cudaFuncSetAttribute(forward_tiled<K, T>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
          "shared memory");
  forward_tiled<K, T><<<static_cast<unsigned>(tiles), tile_threads, static_cast<std::size_t>(bytes), stream>>>(
      p, static_cast<const T*>(call.query), static_cast<const T*>(call.key), static_cast<const T*>(call.value),
      static_cast<T*>(call.output));
  return true;
}

template <class T>
void launch_forward(const Forward& call, std::int32_t device, cudaStream_t stream) {
  if constexpr (sizeof(T) == 2)
    if (launch_tiled<3, T>(call, device, stream) || launch_tiled<5, T>(call, device, stream) || launch_tiled<7, T>(call, device, stream))
      return;
  const Problem& p = call.problem;
  forward_generic<T><<<generic_blocks(p.batch * p.guide_height * p.guide_width), generic_threads, 0, stream>>>(
      p, static_cast<const T*>(call.query), static_cast<const T*>(call.key), static_cast<const T*>(call.value),
      static_cast<T*>(call.output));
}

template <class T>
void launch_backward(const Backward& call, void* pixel_sums, cudaStream_t stream) {
  const Problem& p = call.problem;
  const T *grad = static_cast<const T*>(call.grad_output), *query = static_cast<const T*>(call.query),
          *key = static_cast<const T*>(call.key), *value = static_cast<const T*>(call.value);
  auto* sums = static_cast<PixelSums<typename Sum<T>::type>*>(pixel_sums);
  backward_queries<T><<<generic_blocks(p.batch * p.guide_height * p.guide_width), generic_threads, 0, stream>>>(
      p, grad, query, key, value, static_cast<T*>(call.grad_query), sums);
  backward_keys<T><<<generic_blocks(p.batch * p.height * p.width), generic_threads, 0, stream>>>(
      p, grad, query, key, value, sums, static_cast<T*>(call.grad_key), static_cast<T*>(call.grad_value));
}

}  // namespace sapa
