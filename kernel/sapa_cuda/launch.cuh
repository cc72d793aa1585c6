// Launches on torch's current stream of the tensors' device.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/headeronly/util/Exception.h>

#include "selection.cuh"

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

// Launches a kernel on tiles, unless it asks for more blocks or shared memory than the device grants.
template <class... Parameters, class... Arguments>
bool launch_tiles(void (*kernel)(Parameters...), std::int64_t blocks, std::int64_t bytes, std::int32_t device, cudaStream_t stream,
                  Arguments... arguments) {
  int limit = 0;
  check(cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "shared memory limit");
  if (bytes > limit || blocks > 0x7fffffff) return false;
  if (bytes > 48 * 1024)  // always the same value: between another thread's setting and its launch, a smaller one would fail it
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, limit), "shared memory");
  kernel<<<static_cast<unsigned>(blocks), tile_threads, static_cast<std::size_t>(bytes), stream>>>(arguments...);
  return true;
}

template <class T>
PlaceBias<typename Sum<T>::type> place_bias(const Bias& bias, void* grad = nullptr) {
  using S = typename Sum<T>::type;
  return {static_cast<const S*>(bias.rows), static_cast<const S*>(bias.columns), static_cast<S*>(grad)};
}

template <class T>
struct ForwardTensors {
  PlaceBias<typename Sum<T>::type> bias;
  const T *query, *key, *value;
  T* output;

  explicit ForwardTensors(const Forward& call)
      : bias(place_bias<T>(call.bias)),
        query(static_cast<const T*>(call.query)),
        key(static_cast<const T*>(call.key)),
        value(static_cast<const T*>(call.value)),
        output(static_cast<T*>(call.output)) {}
};

template <class T>
bool launch_forward_tiles(const Problem& p, const ForwardTensors<T>& t, std::int32_t device, cudaStream_t stream) {
  if (!has_tiles(p, 16 / sizeof(T), {t.query, t.key, t.value, t.output})) return false;
  return with_tile_window(p.kernel_size, [&](auto k) {
    const auto launch = [&](auto kernel, std::int64_t bytes) {
      return launch_tiles(kernel, tiles_of(p), bytes, device, stream, p, t.bias, t.query, t.key, t.value, t.output);
    };
    if constexpr (sizeof(T) == 2) return launch(forward_tiled<k, T>, forward_tiled_bytes<k>(p));
    else return launch(forward_windows<k>, WindowMemory<k>::forward_bytes);
  });
}

template <class T>
void launch_forward(const Forward& call, std::int32_t device, cudaStream_t stream) {
  const Problem& p = call.problem;
  const ForwardTensors<T> t(call);
  if constexpr (sizeof(T) <= 4)
    if (launch_forward_tiles(p, t, device, stream)) return;
  forward_generic<T><<<generic_blocks(p.planes() * p.guide_height * p.guide_width), generic_threads, 0, stream>>>(
      p, t.bias, t.query, t.key, t.value, t.output);
}

template <class T>
struct BackwardTensors {
  using S = typename Sum<T>::type;
  PlaceBias<S> bias;
  const T *grad, *query, *key, *value;
  T *grad_query, *grad_key, *grad_value;
  PixelSums<S>* sums;

  BackwardTensors(const Backward& call, void* pixel_sums)
      : bias(place_bias<T>(call.bias, call.grad_bias)),
        grad(static_cast<const T*>(call.grad_output)),
        query(static_cast<const T*>(call.query)),
        key(static_cast<const T*>(call.key)),
        value(static_cast<const T*>(call.value)),
        grad_query(static_cast<T*>(call.grad_query)),
        grad_key(static_cast<T*>(call.grad_key)),
        grad_value(static_cast<T*>(call.grad_value)),
        sums(static_cast<PixelSums<S>*>(pixel_sums)) {}
};

template <class T>
bool launch_query_tiles(const Problem& p, const BackwardTensors<T>& t, std::int32_t device, cudaStream_t stream) {
  return with_tile_window(p.kernel_size, [&](auto k) {
    const auto launch = [&](auto kernel, std::int64_t bytes) {
      return launch_tiles(kernel, tiles_of(p), bytes, device, stream, p, t.bias, t.grad, t.query, t.key, t.value, t.grad_query, t.sums);
    };
    if constexpr (sizeof(T) == 2) return launch(backward_queries_tiled<k, T>, backward_queries_bytes<k>(p));
    else return launch(backward_queries_windows<k>, WindowMemory<k>::backward_bytes);
  });
}

template <class T>
bool launch_key_tiles(const Problem& p, const BackwardTensors<T>& t, std::int32_t device, cudaStream_t stream) {
  return with_tile_window(p.kernel_size, [&](auto k) {
    const auto launch = [&](auto kernel, std::int64_t blocks, std::int64_t bytes) {
      return launch_tiles(kernel, blocks, bytes, device, stream, p, t.bias, t.grad, t.query, t.key, t.value, t.sums, t.grad_key, t.grad_value);
    };
    if constexpr (sizeof(T) == 2) return launch(backward_keys_tiled<k, T>, tiles_of(p) * slices_of(p), backward_keys_bytes(p));
    else return launch(backward_keys_windows<k>, tiles_of(p), ReaderMemory<k>::bytes);
  });
}

template <class T>
void launch_backward(const Backward& call, void* pixel_sums, std::int32_t device, cudaStream_t stream) {
  const Problem& p = call.problem;
  const BackwardTensors<T> t(call, pixel_sums);
  bool queries = false, keys = false;
  if constexpr (sizeof(T) <= 4)
    if (has_tiles(p, 16 / sizeof(T), {t.grad, t.query, t.key, t.value, t.grad_query, t.grad_key, t.grad_value})) {
      queries = launch_query_tiles(p, t, device, stream);
      keys = launch_key_tiles(p, t, device, stream);
    }
  if (!queries)
    backward_queries<T><<<generic_blocks(p.planes() * p.guide_height * p.guide_width), generic_threads, 0, stream>>>(
        p, t.bias, t.grad, t.query, t.key, t.value, t.grad_query, t.sums);
  if (!keys)
    backward_keys<T><<<generic_blocks(p.planes() * p.height * p.width), generic_threads, 0, stream>>>(
        p, t.bias, t.grad, t.query, t.key, t.value, t.sums, t.grad_key, t.grad_value);
}

}  // namespace sapa
