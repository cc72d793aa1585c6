// Any kernel size, embedding, channel count, ratio and dtype: one warp a pixel, nothing kept in shared memory.
#pragma once

#include "bias.cuh"
#include "softmax.cuh"

namespace sapa {

// Channels that a lane accumulates in one sweep over the window; more channels take more sweeps.
constexpr int lane_channels = 8;

// Where a guide pixel's window begins; it may do so outside the map.
struct WindowStart {
  std::int64_t plane, row, column;
};

__device__ inline WindowStart start_of(const Problem& p, std::int64_t pixel) {
  const std::int64_t head = pixel % p.heads, column = pixel / p.heads % p.guide_width, line = pixel / p.heads / p.guide_width;
  return {line / p.guide_height * p.heads + head,
          p.window_start(line % p.guide_height * p.height / p.guide_height, p.height),
          p.window_start(column * p.width / p.guide_width, p.width)};
}

// Calls f(where the map position's numbers lie, or -1 outside the map; the tap's row and column) for the taps that the softmax
// counts.
template <class F>
__device__ inline void for_taps(const Problem& p, const WindowStart& start, F&& f) {
  for (std::int64_t n = 0; n < p.kernel_size; ++n)
    for (std::int64_t m = 0; m < p.kernel_size; ++m) {
      const std::int64_t row = start.row + n, column = start.column + m;
      const bool inside = row >= 0 && row < p.height && column >= 0 && column < p.width;
      if (inside) f(p.position(start.plane, row, column), n, m);
      else if (p.border == Border::zero) f(static_cast<std::int64_t>(-1), n, m);
    }
}

// A softmax's maximum and sum so far. A logit of -infinity weighs nothing, also before the first finite one.
template <class S>
struct RunningSoftmax {
  S best = -INFINITY, total = 0;

  struct Step {
    S fade, weight;  // of what was summed before, and of the new logit
  };

  __device__ Step add(S logit) {
    const bool rises = logit > best;
    const S fade = rises ? exponential(best - logit) : S(1);
    if (rises) best = logit;
    const S weight = logit == -INFINITY ? S(0) : exponential(logit - best);
    total = total * fade + weight;
    return {fade, weight};
  }
};

template <class T>
__global__ void forward_generic(Problem p, PlaceBias<typename Sum<T>::type> bias, const T* query, const T* key, const T* value,
                                T* output) {
  using S = typename Sum<T>::type;
  const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const std::int64_t pixels = p.planes() * p.guide_height * p.guide_width;
  for (std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / 32; pixel < pixels;
       pixel += static_cast<std::int64_t>(gridDim.x) * warps) {
    const WindowStart start = start_of(p, pixel);
    const PixelBias<S> own_bias = bias.of(p, pixel);
    for (std::int64_t channel = 0; channel < p.channels; channel += 32 * lane_channels) {
      RunningSoftmax<S> softmax;
      S sums[lane_channels] = {};
      for_taps(p, start, [&](std::int64_t at, std::int64_t n, std::int64_t m) {
        const S score = at < 0 ? S(0) : warp_product(query + pixel * p.embedding, key + at * p.embedding, p.embedding, lane);
        const auto step = softmax.add(score + own_bias.logit(n, m));
        for (int i = 0; i < lane_channels; ++i) {
          const std::int64_t c = channel + lane + 32 * i;
          sums[i] *= step.fade;
          if (at >= 0 && c < p.channels) sums[i] += step.weight * wide(value[at * p.channels + c]);
        }
      });
      for (int i = 0; i < lane_channels; ++i) {
        const std::int64_t c = channel + lane + 32 * i;
        if (c < p.channels) narrow(sums[i] / softmax.total, output + pixel * p.channels + c);
      }
    }
  }
}

// Adds a tap's score gradient to the sums of its window's row and column; one lane of a warp does.
template <class S>
__device__ inline void add_to_bias(const Problem& p, S* grad_bias, std::int64_t pixel, std::int64_t n, std::int64_t m, S score_grad) {
  S* sums = grad_bias + pixel * 2 * p.kernel_size;
  sums[n] += score_grad;
  sums[p.kernel_size + m] += score_grad;
}

// The gradients of the queries and of the bias; also writes every pixel's sums, for the keys' side.
template <class T>
__global__ void backward_queries(Problem p, PlaceBias<typename Sum<T>::type> bias, const T* grad_output, const T* query, const T* key,
                                 const T* value, T* grad_query, PixelSums<typename Sum<T>::type>* pixel_sums) {
  using S = typename Sum<T>::type;
  const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const std::int64_t pixels = p.planes() * p.guide_height * p.guide_width;
  for (std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / 32; pixel < pixels;
       pixel += static_cast<std::int64_t>(gridDim.x) * warps) {
    const WindowStart start = start_of(p, pixel);
    const T *own_query = query + pixel * p.embedding, *own_grad = grad_output + pixel * p.channels;
    const PixelBias<S> own_bias = bias.of(p, pixel);
    const auto logit_of = [&](std::int64_t at, std::int64_t n, std::int64_t m) {
      const S score = at < 0 ? S(0) : warp_product(own_query, key + at * p.embedding, p.embedding, lane);
      return score + own_bias.logit(n, m);
    };
    const auto product_of = [&](std::int64_t at) {
      return at < 0 ? S(0) : warp_product(own_grad, value + at * p.channels, p.channels, lane);
    };
    RunningSoftmax<S> softmax;
    S mean = 0;
    for_taps(p, start, [&](std::int64_t at, std::int64_t n, std::int64_t m) {
      const auto step = softmax.add(logit_of(at, n, m));
      mean = mean * step.fade + step.weight * product_of(at);
    });
    const PixelSums<S> sums{softmax.best, S(1) / softmax.total, mean / softmax.total};
    if (lane == 0) pixel_sums[pixel] = sums;
    if (bias.grad) {
      if (lane == 0)
        for (std::int64_t i = 0; i < 2 * p.kernel_size; ++i) bias.grad[pixel * 2 * p.kernel_size + i] = 0;
      for_taps(p, start, [&](std::int64_t at, std::int64_t n, std::int64_t m) {
        const S score_grad = weight_of(sums, logit_of(at, n, m)) * (product_of(at) - sums.mean);
        if (lane == 0) add_to_bias(p, bias.grad, pixel, n, m, score_grad);
      });
    }
    for (std::int64_t first = 0; first < p.embedding; first += 32 * lane_channels) {
      S grads[lane_channels] = {};
      for_taps(p, start, [&](std::int64_t at, std::int64_t n, std::int64_t m) {
        if (at < 0) return;
        const S score_grad = weight_of(sums, logit_of(at, n, m)) * (product_of(at) - sums.mean);
        for (int i = 0; i < lane_channels; ++i) {
          const std::int64_t e = first + lane + 32 * i;
          if (e < p.embedding) grads[i] += score_grad * wide(key[at * p.embedding + e]);
        }
      });
      for (int i = 0; i < lane_channels; ++i) {
        const std::int64_t e = first + lane + 32 * i;
        if (e < p.embedding) narrow(grads[i], grad_query + pixel * p.embedding + e);
      }
    }
  }
}

// Calls f(pixel) for every guide pixel whose window holds the map position (row, column).
template <class F>
__device__ inline void for_readers(const Problem& p, std::int64_t plane, std::int64_t row, std::int64_t column, F&& f) {
  const std::int64_t high = p.past_reader(row, p.height), right = p.past_reader(column, p.width);
  for (std::int64_t i = p.first_row(p.first_reader(row)); i < p.first_row(high); ++i)
    for (std::int64_t j = p.first_column(p.first_reader(column)); j < p.first_column(right); ++j) f(p.pixel(plane, i, j));
}

// The gradients of keys and values: each position gathers from the pixels that read it, so nothing is added atomically.
template <class T>
__global__ void backward_keys(Problem p, PlaceBias<typename Sum<T>::type> bias, const T* grad_output, const T* query, const T* key,
                              const T* value, const PixelSums<typename Sum<T>::type>* pixel_sums, T* grad_key, T* grad_value) {
  using S = typename Sum<T>::type;
  const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const std::int64_t positions = p.planes() * p.height * p.width;
  const std::int64_t widest = p.channels > p.embedding ? p.channels : p.embedding;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / 32; at < positions;
       at += static_cast<std::int64_t>(gridDim.x) * warps) {
    const std::int64_t position = at / p.heads, column = position % p.width, row = position / p.width % p.height;
    const std::int64_t plane = position / p.width / p.height * p.heads + at % p.heads;
    const T *own_key = key + at * p.embedding, *own_value = value + at * p.channels;
    for (std::int64_t first = 0; first < widest; first += 32 * lane_channels) {
      S key_grads[lane_channels] = {}, value_grads[lane_channels] = {};
      for_readers(p, plane, row, column, [&](std::int64_t pixel) {
        const T *source = query + pixel * p.embedding, *grad = grad_output + pixel * p.channels;
        const PixelSums<S> sums = pixel_sums[pixel];
        const WindowStart start = start_of(p, pixel);
        const S bias_logit = bias.of(p, pixel).logit(row - start.row, column - start.column);
        const S weight = weight_of(sums, warp_product(source, own_key, p.embedding, lane) + bias_logit);
        const S score_grad = weight * (warp_product(grad, own_value, p.channels, lane) - sums.mean);
        for (int i = 0; i < lane_channels; ++i) {
          const std::int64_t c = first + lane + 32 * i;
          if (c < p.embedding) key_grads[i] += score_grad * wide(source[c]);
          if (c < p.channels) value_grads[i] += weight * wide(grad[c]);
        }
      });
      for (int i = 0; i < lane_channels; ++i) {
        const std::int64_t c = first + lane + 32 * i;
        if (c < p.embedding) narrow(key_grads[i], grad_key + at * p.embedding + c);
        if (c < p.channels) narrow(value_grads[i], grad_value + at * p.channels + c);
      }
    }
  }
}

}  // namespace sapa
