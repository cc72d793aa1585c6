// The CUDA kernels behind C functions, on the emulated device. `rows` and `columns` are null without a bias.
#define SAPA_EMULATED_DEVICE
#include "../sapa_cuda/selection.cuh"

using namespace sapa;

namespace {

Problem problem_of(const std::int64_t* sizes) {
  return {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], static_cast<Border>(sizes[9]),
          Element::float32};
}

template <class F>
bool launch_tiles(std::int64_t blocks, std::int64_t bytes, F&& kernel) {
  if (bytes > static_cast<std::int64_t>(sizeof emulated::device.shared)) return false;
  emulated::launch(static_cast<unsigned>(blocks), tile_threads, kernel);
  return true;
}

template <class T>
PlaceBias<typename Sum<T>::type> bias_of(const void* rows, const void* columns, void* grad) {
  using S = typename Sum<T>::type;
  return {static_cast<const S*>(rows), static_cast<const S*>(columns), static_cast<S*>(grad)};
}

template <class T>
bool forward_in_tiles(const Problem& p, const PlaceBias<typename Sum<T>::type>& bias, const T* query, const T* key, const T* value,
                      T* output) {
  if (!has_tiles(p, 16 / sizeof(T), {query, key, value, output})) return false;
  return with_tile_window(p.kernel_size, [&](auto k) {
    if constexpr (sizeof(T) == 2)
      return launch_tiles(tiles_of(p), forward_tiled_bytes<k>(p), [&] { forward_tiled<k, T>(p, bias, query, key, value, output); });
    else if constexpr (sizeof(T) == 4)
      return launch_tiles(tiles_of(p), WindowMemory<k>::forward_bytes,
                          [&] { forward_windows<k>(p, bias, query, key, value, output); });
    else
      return false;
  });
}

template <class T>
bool backward_in_tiles(const Problem& p, const PlaceBias<float>& bias, const T* grad, const T* query, const T* key, const T* value,
                       T* grad_query, T* grad_key, T* grad_value, PixelSums<float>* sums) {
  if (!has_tiles(p, 16 / sizeof(T), {grad, query, key, value, grad_query, grad_key, grad_value})) return false;
  return with_tile_window(p.kernel_size, [&](auto k) {
    if constexpr (sizeof(T) == 4)
      return launch_tiles(tiles_of(p), WindowMemory<k>::backward_bytes,
                          [&] { backward_queries_windows<k>(p, bias, grad, query, key, value, grad_query, sums); }) &&
             launch_tiles(tiles_of(p), ReaderMemory<k>::bytes,
                          [&] { backward_keys_windows<k>(p, bias, grad, query, key, value, sums, grad_key, grad_value); });
    else
      return launch_tiles(tiles_of(p), backward_queries_bytes<k>(p),
                          [&] { backward_queries_tiled<k, T>(p, bias, grad, query, key, value, grad_query, sums); }) &&
             launch_tiles(tiles_of(p) * slices_of(p), backward_keys_bytes(p),
                          [&] { backward_keys_tiled<k, T>(p, bias, grad, query, key, value, sums, grad_key, grad_value); });
  });
}

template <class T>
bool forward_all(const Problem& p, bool tiles, const PlaceBias<typename Sum<T>::type>& bias, const T* query, const T* key, const T* value,
                 T* output) {
  if (tiles) return forward_in_tiles(p, bias, query, key, value, output);
  emulated::launch(3, 64, [&] { forward_generic<T>(p, bias, query, key, value, output); });
  return true;
}

template <class T>
bool backward_all(const Problem& p, bool tiles, const PlaceBias<typename Sum<T>::type>& bias, const T* grad, const T* query, const T* key,
                  const T* value, T* grad_query, T* grad_key, T* grad_value) {
  const PixelSums<typename Sum<T>::type> poison{NAN, NAN, NAN};
  std::vector<PixelSums<typename Sum<T>::type>> sums(static_cast<std::size_t>(p.planes() * p.guide_height * p.guide_width), poison);
  if constexpr (sizeof(T) <= 4)
    if (tiles) return backward_in_tiles(p, bias, grad, query, key, value, grad_query, grad_key, grad_value, sums.data());
  emulated::launch(3, 64, [&] { backward_queries<T>(p, bias, grad, query, key, value, grad_query, sums.data()); });
  emulated::launch(2, 64, [&] { backward_keys<T>(p, bias, grad, query, key, value, sums.data(), grad_key, grad_value); });
  return true;
}

template <class F>
bool with_type(int element, F&& f) {
  switch (element) {
    case 0: return f(float{});
    case 1: return f(double{});
    case 2: return f(__nv_bfloat16{});
    default: return f(__half{});
  }
}

}  // namespace

// Both give 1, or 0 where the tiled kernels were asked for and do not take such a call.
extern "C" int emulated_forward(const std::int64_t* sizes, int element, int tiles, const void* query, const void* key, const void* value,
                                const void* rows, const void* columns, void* output) {
  return with_type(element, [&](auto t) {
    using T = decltype(t);
    return forward_all<T>(problem_of(sizes), tiles != 0, bias_of<T>(rows, columns, nullptr), static_cast<const T*>(query), static_cast<const T*>(key),
                          static_cast<const T*>(value), static_cast<T*>(output));
  });
}

extern "C" int emulated_backward(const std::int64_t* sizes, int element, int tiles, const void* grad, const void* query, const void* key,
                                 const void* value, const void* rows, const void* columns, void* grad_query, void* grad_key,
                                 void* grad_value, void* grad_bias) {
  return with_type(element, [&](auto t) {
    using T = decltype(t);
    return backward_all<T>(problem_of(sizes), tiles != 0, bias_of<T>(rows, columns, grad_bias), static_cast<const T*>(grad), static_cast<const T*>(query),
                           static_cast<const T*>(key), static_cast<const T*>(value), static_cast<T*>(grad_query),
                           static_cast<T*>(grad_key), static_cast<T*>(grad_value));
  });
}
