// The backward pass. It keeps nothing of the forward pass: weights are computed again from queries and keys.
#pragma once

#include "key_gradient.h"

namespace {

// The guide rows of one position row, as rows of scalars.
template <class P, class T>
class GuideRows {
  using S = typename P::Scalar;

 public:
  GuideRows(const sapa::Problem& p, const void* data, std::int64_t channels)
      : p_(p), data_(static_cast<const T*>(data)), channels_(channels), size_(p.guide_width * channels),
        copy_(in_place<P, T> ? 0 : p.most_rows() * size_), rows_(p.most_rows()) {}
  bool ok() const { return copy_.ok() && rows_.ok(); }

  const S* const* load(std::int64_t plane, std::int64_t y) {
    const std::int64_t first = p_.first_row(y), count = p_.first_row(y + 1) - first;
    for (std::int64_t i = 0; i < count; ++i) {
      const T* from = data_ + p_.pixel(plane, first + i, 0) * channels_;
      if constexpr (in_place<P, T>) {
        rows_.get()[i] = from;
      } else {
        convert_row<P>(from, p_.heads, copy_.get() + i * size_, p_.guide_width, channels_);
        rows_.get()[i] = copy_.get() + i * size_;
      }
    }
    return rows_.get();
  }

 private:
  const sapa::Problem& p_;
  const T* data_;
  std::int64_t channels_, size_;
  Buffer<S> copy_;
  Buffer<const S*> rows_;
};

template <class P, class T>
class BackwardPass {
  using S = typename P::Scalar;

 public:
  explicit BackwardPass(const sapa::Backward& call)
      : call_(call), p_(call.problem), grid_(p_), transposed_keys_(p_, call.key), keys_(p_, call.key, p_.embedding),
        values_(p_, call.value, p_.channels), queries_(p_, call.query, p_.embedding),
        grads_(p_, call.grad_output, p_.channels), attention_(p_, grid_, call.query, call.bias),
        weight_gradient_(p_), bias_gradient_(p_, call.grad_bias),
        grad_keys_(p_, call.grad_key, p_.embedding), grad_values_(p_, call.grad_value, p_.channels), gather_(p_, grid_),
        size_(round_up(p_.width, P::lanes) * p_.most_rows() * grid_.columns * p_.taps()), weights_(size_), score_grads_(size_) {}
  bool ok() const {
    return grid_.ok() && transposed_keys_.ok() && keys_.ok() && values_.ok() && queries_.ok() && grads_.ok() && attention_.ok() &&
           weight_gradient_.ok() && bias_gradient_.ok() && grad_keys_.ok() && grad_values_.ok() && gather_.ok() && weights_.ok() && score_grads_.ok();
  }

  // The gradients of the map rows begin .. end of one plane and of the queries that their windows centre on. Position rows
  // outside whose windows hold some of these map rows are computed too, for what they give to them.
  void run(std::int64_t plane, std::int64_t begin, std::int64_t end) {
    const std::int64_t low = p_.first_reader(begin), high = p_.past_reader(end - 1, p_.height);
    std::int64_t loaded = most(0, p_.window_row(low)), opened = begin, closed = begin;
    for (std::int64_t y = low; y < high; ++y) {
      const std::int64_t first = p_.window_row(y), past = first + p_.kernel_size;
      for (; loaded < least(p_.height, past); ++loaded) load(plane, loaded);
      for (; closed < least(end, first); ++closed) close(plane, closed);
      for (; opened < least(end, past); ++opened) open(plane, opened);
      add_row(plane, y, begin, end);
    }
    for (; closed < end; ++closed) close(plane, closed);
  }

 private:
  void load(std::int64_t plane, std::int64_t y) {
    transposed_keys_.load(plane, y);
    keys_.load(plane, y);
    values_.load(plane, y);
  }
  void open(std::int64_t plane, std::int64_t y) {
    grad_keys_.open(plane, y);
    grad_values_.open(plane, y);
  }
  void close(std::int64_t plane, std::int64_t y) {
    grad_keys_.close(plane, y);
    grad_values_.close(plane, y);
  }

  void add_row(std::int64_t plane, std::int64_t y, std::int64_t begin, std::int64_t end) {
    const S* const* grads = grads_.load(plane, y);
    const S* const* values = values_.around(plane, y);
    const std::int64_t queries = grid_.rows(y) * grid_.columns, query_size = p_.taps() * P::lanes;
    for (std::int64_t x = 0; x < p_.width; x += P::lanes)
      for (std::int64_t first = 0; first < queries; first += 4) {
        const Slots slots = grid_.slots(y, first);
        S* weights = weights_.get() + (x / P::lanes * queries + first) * query_size;
        S* score_grads = score_grads_.get() + (weights - weights_.get());
        attention_.weights(transposed_keys_, plane, y, x, slots, weights);
        weight_gradient_.score_gradients(grid_, values, grads, y, x, slots, weights, score_grads);
        if (y < begin || y >= end) continue;
        bias_gradient_.store(grid_, plane, x, slots, score_grads);
        for (int lane = 0; lane < least(P::lanes, p_.width - x); ++lane) {
          attention_.prefetch_next(plane, y, x, lane);
          assemble_position<P>(p_, grid_, keys_.around(plane, y), p_.embedding, plane, y, x + lane, slots,
                               score_grads + lane, static_cast<T*>(call_.grad_query));
        }
      }
    gather_.add(grad_values_, weights_.get(), grads[0], grad_keys_, score_grads_.get(), queries_.load(plane, y)[0], plane, y,
                begin, end);
  }

  const sapa::Backward& call_;
  const sapa::Problem& p_;
  GuideGrid grid_;
  TransposedKeys<P, T> transposed_keys_;
  MapRows<P, T> keys_, values_;
  GuideRows<P, T> queries_, grads_;
  Attention<P, T> attention_;
  WeightGradient<P, T> weight_gradient_;
  BiasGradient<P> bias_gradient_;
  GradientRows<P, T> grad_keys_, grad_values_;
  KeyGather<P, T> gather_;
  std::int64_t size_;
  Buffer<S> weights_, score_grads_;
};

template <class P, class T>
bool backward_rows(const sapa::Backward& call, std::int64_t begin, std::int64_t end) {
  BackwardPass<P, T> pass(call);
  if (!pass.ok()) return false;
  const std::int64_t height = call.problem.height;
  for (std::int64_t row = begin; row < end;) {
    const std::int64_t plane = row / height, stop = least(end, (plane + 1) * height);
    pass.run(plane, row - plane * height, stop - plane * height);
    row = stop;
  }
  return true;
}

}  // namespace
