// Sizes and types of a call, checked once for every backend.
#include <sstream>
#include <vector>

#include <torch/csrc/stable/ops.h>

#include "dispatch.h"

namespace sapa {
namespace {

std::string shape(const Tensor& tensor) {
  std::ostringstream text;
  text << "(";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) text << (i ? ", " : "") << tensor.size(i);
  text << ")";
  return text.str();
}

Element element_of(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::headeronly::ScalarType::Float: return Element::float32;
    case torch::headeronly::ScalarType::Double: return Element::float64;
    case torch::headeronly::ScalarType::BFloat16: return Element::bfloat16;
    case torch::headeronly::ScalarType::Half: return Element::float16;
    default: STD_TORCH_CHECK(false, "sapa: needs float32, float64, bfloat16 or float16 tensors");
  }
}

torch::headeronly::ScalarType sum_type(Element element) {
  return element == Element::float64 ? torch::headeronly::ScalarType::Double : torch::headeronly::ScalarType::Float;
}

void check_table(const Tensor& table, const char* name, std::int64_t size, const Problem& p, const Tensor& value) {
  STD_TORCH_CHECK(table.dim() == 2 && table.size(0) == size && table.size(1) == p.kernel_size, "sapa: the bias of ", name,
                  " must be (", size, ", ", p.kernel_size, "), got ", shape(table));
  STD_TORCH_CHECK(table.scalar_type() == sum_type(p.element),
                  "sapa: a bias must be float32, or float64 where query, key and value are");
  STD_TORCH_CHECK(table.is_cuda() == value.is_cuda() && table.get_device_index() == value.get_device_index(),
                  "sapa: the bias of ", name, " and value are on different devices");
}

// The sizes of what every guide pixel has `channels` of, with heads if the value has them.
std::vector<std::int64_t> pixel_sizes(const Problem& p, const Tensor& value, std::int64_t channels) {
  if (value.dim() == 5) return {p.batch, p.guide_height, p.guide_width, p.heads, channels};
  return {p.batch, p.guide_height, p.guide_width, channels};
}

}  // namespace

Problem read_problem(const Tensor& query, const Tensor& key, const Tensor& value, std::int64_t kernel_size, std::int64_t border) {
  const std::int64_t dims = value.dim();
  STD_TORCH_CHECK((dims == 4 || dims == 5) && query.dim() == dims && key.dim() == dims,
                  "sapa: needs query (B, H', W', d), key (B, H, W, d) and value (B, H, W, C), or all with heads before d and C, got ",
                  shape(query), ", ", shape(key), " and ", shape(value));
  const std::int64_t heads = dims == 5 ? value.size(3) : 1;
  STD_TORCH_CHECK(dims == 4 || (query.size(3) == heads && key.size(3) == heads), "sapa: query ", shape(query), ", key ", shape(key),
                  " and value ", shape(value), " differ in heads");
  STD_TORCH_CHECK(query.size(0) == key.size(0) && query.size(dims - 1) == key.size(dims - 1), "sapa: query ", shape(query),
                  " and key ", shape(key), " differ in batch or embedding dimension");
  STD_TORCH_CHECK(key.size(0) == value.size(0) && key.size(1) == value.size(1) && key.size(2) == value.size(2),
                  "sapa: key ", shape(key), " and value ", shape(value), " differ in batch, height or width");
  STD_TORCH_CHECK(key.size(1) > 0 && key.size(2) > 0, "sapa: the map of key ", shape(key), " is empty");
  STD_TORCH_CHECK(query.size(1) >= key.size(1) && query.size(2) >= key.size(2), "sapa: query ", shape(query),
                  " must be at least as high and wide as key ", shape(key));
  STD_TORCH_CHECK(kernel_size > 0 && kernel_size % 2 == 1 && kernel_size < 32768,
                  "sapa: kernel_size must be odd, positive and below 32768, got ", kernel_size);
  STD_TORCH_CHECK(border >= 0 && border <= 2, "sapa: border must be 0, 1 or 2 for zero, mask or shift, got ", border);
  const Border rule = static_cast<Border>(border);
  STD_TORCH_CHECK(rule != Border::shift || (kernel_size <= key.size(1) && kernel_size <= key.size(2)),
                  "sapa: the border shift needs a map of at least kernel_size ", kernel_size, " along both axes, got key ", shape(key));
  const Element element = element_of(value);
  STD_TORCH_CHECK(query.scalar_type() == value.scalar_type() && key.scalar_type() == value.scalar_type(),
                  "sapa: query, key and value differ in dtype");
  STD_TORCH_CHECK(query.is_cuda() == value.is_cuda() && key.is_cuda() == value.is_cuda() &&
                      query.get_device_index() == value.get_device_index() && key.get_device_index() == value.get_device_index(),
                  "sapa: query, key and value are on different devices");
  return {key.size(0), key.size(1), key.size(2), query.size(1), query.size(2), heads, key.size(dims - 1), value.size(dims - 1),
          kernel_size, rule, element};
}

void check_grad_output(const Problem& p, const Tensor& grad_output, const Tensor& value) {
  const std::vector<std::int64_t> wanted = pixel_sizes(p, value, p.channels);
  bool fits = grad_output.dim() == value.dim();
  for (std::int64_t i = 0; fits && i < value.dim(); ++i) fits = grad_output.size(i) == wanted[static_cast<std::size_t>(i)];
  STD_TORCH_CHECK(fits, "sapa: grad_output ", shape(grad_output), " must have the output's shape ", shape(output_like(p, value)));
  STD_TORCH_CHECK(grad_output.scalar_type() == value.scalar_type() && grad_output.is_cuda() == value.is_cuda() &&
                      grad_output.get_device_index() == value.get_device_index(),
                  "sapa: grad_output and value differ in dtype or device");
}

void check_bias(const Problem& p, const Table& rows, const Table& columns, const Tensor& value) {
  STD_TORCH_CHECK(rows.has_value() == columns.has_value(), "sapa: a bias needs both its tables, of rows and of columns");
  if (!rows) return;
  check_table(*rows, "rows", p.guide_height, p, value);
  check_table(*columns, "columns", p.guide_width, p, value);
}

Bias bias_of(Table& rows, Table& columns) {
  if (!rows) return {nullptr, nullptr};
  rows = torch::stable::contiguous(*rows);
  columns = torch::stable::contiguous(*columns);
  return {rows->const_data_ptr(), columns->const_data_ptr()};
}

Tensor bias_gradient_like(const Problem& p, const Table& rows, const Tensor& value) {
  const auto type = sum_type(p.element);
  if (!rows) return torch::stable::new_empty(value, {0}, type);
  return torch::stable::new_empty(value, pixel_sizes(p, value, 2 * p.kernel_size), type);
}

Tensor output_like(const Problem& p, const Tensor& value) {
  return torch::stable::new_empty(value, pixel_sizes(p, value, p.channels));
}

}  // namespace sapa
