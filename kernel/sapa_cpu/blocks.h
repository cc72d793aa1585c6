// The register-blocked inner products of the operator, on a pack P of float or double lanes.
#pragma once

#include "problem.h"

namespace {

template <int N>
struct Count {
  static constexpr int value = N;
};

// Calls f(Count<n>) for a run-time n in 1 .. N, so that the blocks below know their register counts.
template <int N, class F>
inline void with_count(int n, F&& f) {
  if (n == N) f(Count<N>{});
  else if constexpr (N > 1) with_count<N - 1>(n, f);
}

// logits[q][t] = sum_e query[q][e] * key[e][t]: Q queries and T neighbouring taps of `lanes` positions at once.
// With `Moved` position i meets the keys of lane `lanes[i]`: windows at the edge that were moved inside lie closer together.
template <class P, int Q, int T, bool Moved>
inline void score_block(const typename P::Scalar* query, const typename P::Scalar* key, std::int64_t embedding,
                        std::int64_t key_stride, const std::int32_t* lanes, typename P::Scalar* logits, std::int64_t logit_stride) {
  typename P::Vec sum[Q][T];
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) sum[q][t] = P::zero();
  for (std::int64_t e = 0; e < embedding; ++e) {
    typename P::Vec k[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      k[t] = P::load(key + e * key_stride + t);
      if constexpr (Moved) k[t] = P::pick(k[t], lanes);
    }
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const typename P::Vec x = P::keep(P::load(query + (q * embedding + e) * P::lanes));
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) sum[q][t] = P::fma(x, k[t], sum[q][t]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) P::store(logits + q * logit_stride + t * P::lanes, sum[q][t]);
}

// The taps of one position's window that lie inside the map, and where their rows are.
template <class S>
struct Window {
  const S* const* rows;              // K pointers to rows of the map
  std::int64_t stride;               // between a row's positions
  std::int64_t column;               // of tap 0; may be negative at the left border
  std::int64_t first_row, last_row;  // taps first .. last (exclusive) inside the map
  std::int64_t first_column, last_column;
  std::int64_t kernel_size;
};

// output[q] = sum_t weights[q][t] * source[t]: one position, Q queries, V vectors of channels from `channel` on. What the next
// position writes, `step` further on, is fetched meanwhile: memory is slower to write than these sums are to make.
template <class P, int Q, int V, bool Tail, class T>
inline void assemble_block(const Window<typename P::Scalar>& window, std::int64_t channel, int tail,
                           const typename P::Scalar* const* weights, T* const* output, std::int64_t step) {
#if defined(__GNUC__)
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int i = 0; i < V * P::lanes; i += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(output[q] + step + channel + i, 1);
#endif
  typename P::Vec sum[Q][V];
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[q][v] = P::zero();
  for (std::int64_t n = window.first_row; n < window.last_row; ++n) {
    const typename P::Scalar* source = window.rows[n] + (window.column + window.first_column) * window.stride + channel;
    std::int64_t at = (n * window.kernel_size + window.first_column) * P::lanes;
    for (std::int64_t m = window.first_column; m < window.last_column; ++m, source += window.stride, at += P::lanes) {
      typename P::Vec x[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        x[v] = Tail && v == V - 1 ? P::load(source + v * P::lanes, tail) : P::load(source + v * P::lanes);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) {
        const typename P::Vec w = P::set(weights[q][at]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[q][v] = P::fma(w, x[v], sum[q][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      if (Tail && v == V - 1) P::store(output[q] + channel + v * P::lanes, sum[q][v], tail);
      else P::store(output[q] + channel + v * P::lanes, sum[q][v]);
    }
}

// partial[q][t][lane]: the products of Q output gradients with T taps of one tap row, still spread over the lanes.
template <class P, int Q, int T, class G>
inline void product_block(const typename P::Scalar* const* source, std::int64_t channels, const G* const* grad,
                          typename P::Scalar* partial, std::int64_t partial_stride) {
  typename P::Vec sum[Q][T];
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) sum[q][t] = P::zero();
  const auto accumulate = [&](std::int64_t c, auto... count) {
    typename P::Vec x[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) x[t] = P::load(source[t] + c, count...);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const typename P::Vec g = P::keep(P::load(grad[q] + c, count...));
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) sum[q][t] = P::fma(g, x[t], sum[q][t]);
    }
  };
  std::int64_t c = 0;
  for (; c + P::lanes <= channels; c += P::lanes) accumulate(c);
  if (c < channels) accumulate(c, static_cast<int>(channels - c));
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) P::store(partial + q * partial_stride + t * P::lanes, sum[q][t]);
}

// A query that reads a key: where its weights begin, but for an offset common to all readers of the key, and its pixel.
struct Reader {
  std::int64_t weight, pixel;
};

// sums[n] += sum over readers of weights[n] * pixel: one key column, R map rows, V vectors of channels. The weights of a
// reader are `weight_stride` apart, the pixels `pixel_stride`.
template <class P, int R, int V, bool Tail>
inline void gather_block(const Reader* readers, std::int64_t count, const typename P::Scalar* weights, std::int64_t offset,
                         std::int64_t weight_stride, const typename P::Scalar* pixels, std::int64_t pixel_stride,
                         std::int64_t channel, int tail, typename P::Scalar* const* sums) {
  typename P::Vec sum[R][V];
#pragma GCC unroll 8
  for (int n = 0; n < R; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sum[n][v] = Tail && v == V - 1 ? P::load(sums[n] + channel + v * P::lanes, tail) : P::load(sums[n] + channel + v * P::lanes);
  for (std::int64_t i = 0; i < count; ++i) {
    const typename P::Scalar *source = pixels + readers[i].pixel * pixel_stride + channel, *at = weights + (readers[i].weight + offset);
    typename P::Vec x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      x[v] = Tail && v == V - 1 ? P::load(source + v * P::lanes, tail) : P::load(source + v * P::lanes);
#pragma GCC unroll 8
    for (int n = 0; n < R; ++n) {
      const typename P::Vec w = P::set(at[n * weight_stride]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[n][v] = P::fma(w, x[v], sum[n][v]);
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < R; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      if (Tail && v == V - 1) P::store(sums[n] + channel + v * P::lanes, sum[n][v], tail);
      else P::store(sums[n] + channel + v * P::lanes, sum[n][v]);
    }
}

// Splits `channels` into blocks of P::channels vectors and a rest, and calls f(Count<V>, tail or not, channel, tail).
template <class P, class F>
inline void for_channels(std::int64_t channels, F&& f) {
  std::int64_t c = 0;
  for (; c + P::channels * P::lanes <= channels; c += P::channels * P::lanes) f(Count<P::channels>{}, Count<0>{}, c, 0);
  if (c == channels) return;
  const int rest = static_cast<int>(channels - c), tail = rest % P::lanes;
  with_count<P::channels>((rest + P::lanes - 1) / P::lanes, [&](auto vectors) {
    if (tail) f(vectors, Count<1>{}, c, tail);
    else f(vectors, Count<0>{}, c, 0);
  });
}

}  // namespace
