// The backward pass. It keeps nothing of the forward pass: weights are computed again from queries and keys.
#pragma once

#include "key_gradient.h"

namespace {

// The guide rows of one position row, as (guide_width, channels) rows of scalars.
template <class P, class T>
class GuideRows {
  using S = typename P::Scalar;
  static constexpr bool direct = same<T, S>;

 public:
  GuideRows(const sapa::Problem& p, const void* data, std::int64_t channels)
      : p_(p), data_(static_cast<const T*>(data)), size_(p.guide_width * channels),
        copy_(direct ? 0 : p.most_rows() * size_), rows_(p.most_rows()) {}
  bool ok() const { return copy_.ok() && rows_.ok(); }

  const S* const* load(std::int64_t image, std::int64_t y) {
    const std::int64_t first = p_.first_row(y), count = p_.first_row(y + 1) - first;
    for (std::int64_t i = 0; i < count; ++i) {
      const T* from = data_ + (image * p_.guide_height + first + i) * size_;
      if constexpr (direct) {
        rows_.get()[i] = from;
      } else {
        convert<P>(from, copy_.get() + i * size_, size_);
        rows_.get()[i] = copy_.get() + i * size_;
      }
    }
    return rows_.get();
  }

 private:
  const sapa::Problem& p_;
  const T* data_;
  std::int64_t size_;
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
        grads_(p_, call.grad_output, p_.channels), attention_(p_, grid_, call.query, call.bias), weight_gradient_(p_), bias_gradient_(p_, call.grad_bias),
        grad_keys_(p_, call.grad_key, p_.embedding), grad_values_(p_, call.grad_value, p_.channels), gather_(p_, grid_),
        size_(round_up(p_.width, P::lanes) * p_.most_rows() * grid_.columns * p_.taps()), weights_(size_), score_grads_(size_) {}
  bool ok() const {
    return grid_.ok() && transposed_keys_.ok() && keys_.ok() && values_.ok() && queries_.ok() && grads_.ok() && attention_.ok() &&
           weight_gradient_.ok() && bias_gradient_.ok() && grad_keys_.ok() && grad_values_.ok() && gather_.ok() && weights_.ok() && score_grads_.ok();
  }

  // The gradients of the map rows begin .. end of one image and of the queries that their windows centre on. Position
  // rows up to a radius outside are computed too, for what they give to these map rows.
  void run(std::int64_t image, std::int64_t begin, std::int64_t end) {
    const std::int64_t radius = p_.radius(), low = most(0, begin - radius), high = least(p_.height, end + radius);
    std::int64_t loaded = most(0, low - radius), opened = begin, closed = begin;
    for (std::int64_t y = low; y < high; ++y) {
      for (; loaded < least(p_.height, y + radius + 1); ++loaded) load(image, loaded);
      for (; closed < least(end, y - radius); ++closed) close(image, closed);
      for (; opened < least(end, y + radius + 1); ++opened) open(image, opened);
      add_row(image, y, begin, end);
    }
    for (; closed < end; ++closed) close(image, closed);
  }

 private:
  void load(std::int64_t image, std::int64_t y) {
    transposed_keys_.load(image, y);
    keys_.load(image, y);
    values_.load(image, y);
  }
  void open(std::int64_t image, std::int64_t y) {
    grad_keys_.open(image, y);
    grad_values_.open(image, y);
  }
  void close(std::int64_t image, std::int64_t y) {
    grad_keys_.close(image, y);
    grad_values_.close(image, y);
  }

  void add_row(std::int64_t image, std::int64_t y, std::int64_t begin, std::int64_t end) {
    const S* const* grads = grads_.load(image, y);
    const S* const* values = values_.around(image, y);
    const std::int64_t queries = grid_.rows(y) * grid_.columns, query_size = p_.taps() * P::lanes;
    for (std::int64_t x = 0; x < p_.width; x += P::lanes)
      for (std::int64_t first = 0; first < queries; first += 4) {
        const Slots slots = grid_.slots(y, first);
        S* weights = weights_.get() + (x / P::lanes * queries + first) * query_size;
        S* score_grads = score_grads_.get() + (weights - weights_.get());
        attention_.weights(transposed_keys_, image, y, x, slots, weights);
        weight_gradient_.score_gradients(grid_, values, grads, y, x, slots, weights, score_grads);
        if (y < begin || y >= end) continue;
        bias_gradient_.store(grid_, image, x, slots, score_grads);
        for (int lane = 0; lane < least(P::lanes, p_.width - x); ++lane) {
          attention_.prefetch_next(image, y, x, lane);
          assemble_position<P>(p_, grid_, keys_.around(image, y), p_.embedding, image, y, x + lane, slots, score_grads + lane,
                               static_cast<T*>(call_.grad_query));
        }
      }
    gather_.add(grad_values_, weights_.get(), grads[0], grad_keys_, score_grads_.get(), queries_.load(image, y)[0], image, y,
                begin, end);
  }

  const sapa::Backward& call_;
  const sapa::Problem& p_;
  GuideGrid grid_;
  TransposedKeys<P, T> transposed_keys_;
  MapRows<P, T> keys_, values_;
  GuideRows<P, T> queries_, grads_;
  Attention<P, T> attention_;
  WeightGradient<P> weight_gradient_;
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
    const std::int64_t image = row / height, stop = least(end, (image + 1) * height);
    pass.run(image, row - image * height, stop - image * height);
    row = stop;
  }
  return true;
}

}  // namespace
