#include "dispatch.h"

#include <torch/csrc/stable/ops.h>

#include "launch.cuh"

namespace sapa {
namespace {

template <class F>
void for_element(Element element, F&& f) {
  switch (element) {
    case Element::float32: return f(float{});
    case Element::float64: return f(double{});
    case Element::bfloat16: return f(__nv_bfloat16{});
    case Element::float16: return f(__half{});
  }
}

}  // namespace

Tensor forward_cuda(Tensor query, Tensor key, Tensor value, std::int64_t kernel_size, std::int64_t border, Table rows, Table columns) {
  const Problem problem = read_problem(query, key, value, kernel_size, border);
  check_bias(problem, rows, columns, value);
  const std::int32_t device = value.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  value = torch::stable::contiguous(value);
  Tensor output = output_like(problem, value);
  if (output.numel() == 0) return output;
  const Forward call{problem, query.const_data_ptr(), key.const_data_ptr(), value.const_data_ptr(), bias_of(rows, columns),
                     output.mutable_data_ptr()};
  for_element(problem.element, [&](auto t) { launch_forward<decltype(t)>(call, device, current_stream(device)); });
  check(cudaGetLastError(), "forward");
  return output;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cuda(Tensor grad_output, Tensor query, Tensor key, Tensor value,
                                                         std::int64_t kernel_size, std::int64_t border, Table rows, Table columns) {
  const Problem problem = read_problem(query, key, value, kernel_size, border);
  check_grad_output(problem, grad_output, value);
  check_bias(problem, rows, columns, value);
  const std::int32_t device = value.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  grad_output = torch::stable::contiguous(grad_output);
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  value = torch::stable::contiguous(value);
  Tensor grad_query = torch::stable::new_empty(query, query.sizes()), grad_key = torch::stable::new_empty(key, key.sizes()),
         grad_value = torch::stable::new_empty(value, value.sizes()), grad_bias = bias_gradient_like(problem, rows, value);
  if (problem.planes() == 0) return {grad_query, grad_key, grad_value, grad_bias};
  using torch::headeronly::ScalarType;
  const Tensor pixel_sums =
      torch::stable::new_empty(query, {problem.planes(), problem.guide_height, problem.guide_width, 3},
                               problem.element == Element::float64 ? ScalarType::Double : ScalarType::Float);
  const Backward call{problem, grad_output.const_data_ptr(), query.const_data_ptr(), key.const_data_ptr(), value.const_data_ptr(),
                      bias_of(rows, columns), grad_query.mutable_data_ptr(), grad_key.mutable_data_ptr(),
                      grad_value.mutable_data_ptr(), rows ? grad_bias.mutable_data_ptr() : nullptr};
  for_element(problem.element, [&](auto t) {
    launch_backward<decltype(t)>(call, pixel_sums.mutable_data_ptr(), device, current_stream(device));
  });
  check(cudaGetLastError(), "backward");
  return {grad_query, grad_key, grad_value, grad_bias};
}

}  // namespace sapa
