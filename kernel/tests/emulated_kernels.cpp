// The CUDA kernels behind C functions, on the emulated device.
#define SAPA_EMULATED_DEVICE
#include "../sapa_cuda/generic.cuh"
#include "../sapa_cuda/tiled.cuh"

using namespace sapa;

namespace {

Problem problem_of(const std::int64_t* sizes) {
  return {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8] ? Border::mask : Border::zero,
          Element::float32};
}

template <int K, class T>
void tiled(const Problem& p, const T* query, const T* key, const T* value, T* output) {
  const std::int64_t tiles = p.batch * ((p.height + tile_side - 1) / tile_side) * ((p.width + tile_side - 1) / tile_side);
  if (tile_bytes<K>(p.embedding) > static_cast<std::int64_t>(sizeof emulated::device.shared)) std::abort();
  emulated::launch(static_cast<unsigned>(tiles), tile_threads, [&] { forward_tiled<K, T>(p, query, key, value, output); });
}

template <class T>
void forward_all(const Problem& p, bool on_tensor_cores, const T* query, const T* key, const T* value, T* output) {
  if constexpr (sizeof(T) == 2)
    if (on_tensor_cores) {
      if (p.kernel_size == 3) return tiled<3>(p, query, key, value, output);
      if (p.kernel_size == 5) return tiled<5>(p, query, key, value, output);
      if (p.kernel_size == 7) return tiled<7>(p, query, key, value, output);
      std::abort();
    }
  emulated::launch(3, 64, [&] { forward_generic<T>(p, query, key, value, output); });
}

template <class T>
void backward_all(const Problem& p, const T* grad, const T* query, const T* key, const T* value, T* grad_query, T* grad_key, T* grad_value) {
  std::vector<PixelSums<typename Sum<T>::type>> sums(static_cast<std::size_t>(p.batch * p.guide_height * p.guide_width));
  emulated::launch(3, 64, [&] { backward_queries<T>(p, grad, query, key, value, grad_query, sums.data()); });
  emulated::launch(2, 64, [&] { backward_keys<T>(p, grad, query, key, value, sums.data(), grad_key, grad_value); });
}

template <class F>
void with_type(int element, F&& f) {
  if (element == 0) f(float{});
  if (element == 1) f(double{});
  if (element == 2) f(__nv_bfloat16{});
  if (element == 3) f(__half{});
}

}  // namespace

extern "C" void emulated_forward(const std::int64_t* sizes, int element, int on_tensor_cores, const void* query, const void* key,
                                 const void* value, void* output) {
  with_type(element, [&](auto t) {
    using T = decltype(t);
    forward_all<T>(problem_of(sizes), on_tensor_cores != 0, static_cast<const T*>(query), static_cast<const T*>(key),
                   static_cast<const T*>(value), static_cast<T*>(output));
  });
}

extern "C" void emulated_backward(const std::int64_t* sizes, int element, const void* grad, const void* query, const void* key,
                                  const void* value, void* grad_query, void* grad_key, void* grad_value) {
  with_type(element, [&](auto t) {
    using T = decltype(t);
    backward_all<T>(problem_of(sizes), static_cast<const T*>(grad), static_cast<const T*>(query), static_cast<const T*>(key),
                    static_cast<const T*>(value), static_cast<T*>(grad_query), static_cast<T*>(grad_key), static_cast<T*>(grad_value));
  });
}
