// The CPU operators, as the dispatcher calls them.
#pragma once

#include <optional>
#include <tuple>

#include <torch/csrc/stable/tensor.h>

#include "problem.h"

namespace sapa {

using torch::stable::Tensor;

// What every backend does first: reads the sizes and refuses what no kernel can run, naming both sides.
Problem read_problem(const Tensor& query, const Tensor& key, const Tensor& value, std::int64_t kernel_size, std::int64_t border);
void check_grad_output(const Problem& problem, const Tensor& grad_output, const Tensor& value);
Tensor output_like(const Problem& problem, const Tensor& value);

// The bias by place: two tables, or none.
using Table = std::optional<Tensor>;
void check_bias(const Problem& problem, const Table& rows, const Table& columns, const Tensor& value);
Bias bias_of(Table& rows, Table& columns);
Tensor bias_gradient_like(const Problem& problem, const Table& rows, const Tensor& value);  // empty without a bias

Tensor forward_cpu(Tensor query, Tensor key, Tensor value, std::int64_t kernel_size, std::int64_t border, Table rows, Table columns);
std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cpu(Tensor grad_output, Tensor query, Tensor key, Tensor value,
                                                        std::int64_t kernel_size, std::int64_t border, Table rows, Table columns);

}  // namespace sapa
