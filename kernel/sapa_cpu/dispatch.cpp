// Chooses the CPU path at run time and splits the position rows over torch's threads.
#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include <torch/csrc/stable/ops.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sapa {
namespace {

// Asks for large pages under a large fresh tensor: with 4 kB pages first touch costs as much as the arithmetic. A hint
// only, as torch's own THP_MEM_ALLOC_ENABLE gives; pages that are there already stay as they are.
void prefer_large_pages(const Tensor& tensor) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = 2 << 20;
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(tensor.mutable_data_ptr()) + page - 1) / page * page;
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(tensor.mutable_data_ptr()) +
                             static_cast<std::uintptr_t>(tensor.numel()) * tensor.element_size();
  if (end >= begin + page) madvise(reinterpret_cast<void*>(begin), (end - begin) / page * page, MADV_HUGEPAGE);
#else
  static_cast<void>(tensor);
#endif
}

struct Path {
  const char* name;
  ForwardRows forward;
  BackwardRows backward;
};

constexpr Path portable{"portable", forward_portable, backward_portable};
#if defined(__x86_64__)
constexpr Path avx2{"avx2", forward_avx2, backward_avx2};
constexpr Path avx512{"avx512", forward_avx512, backward_avx512};
#endif

Path best_path() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return avx2;
#endif
  return portable;
}

// SAPA_CPU_PATH names a slower path than the best one, for tests; a faster one than the processor has is not taken.
Path chosen_path() {
  static const Path best = best_path();
  const char* name = std::getenv("SAPA_CPU_PATH");
  if (name == nullptr) return best;
  if (std::strcmp(name, "portable") == 0) return portable;
#if defined(__x86_64__)
  if (std::strcmp(name, "avx2") == 0 && std::strcmp(best.name, "portable") != 0) return avx2;
#endif
  return best;
}

// Rows a thread must get at least, so that a tiny map does not wake other threads.
std::int64_t least_rows(const Problem& p) {
  const double row = static_cast<double>(p.width) * static_cast<double>(p.most_rows() * p.most_columns()) *
                     static_cast<double>(p.taps()) * static_cast<double>(p.embedding + p.channels);
  const double rows = 1e6 / (row + 1);
  return rows < 1 ? 1 : static_cast<std::int64_t>(rows) + 1;
}

template <class Rows, class Call>
void run_rows(Rows rows, const Call& call) {
  std::atomic<bool> ok{true};
  torch::stable::parallel_for(0, call.problem.planes() * call.problem.height, least_rows(call.problem),
                              [&](std::int64_t begin, std::int64_t end) {
                                if (!rows(call, begin, end)) ok = false;
                              });
  STD_TORCH_CHECK(ok, "sapa: not enough memory for the work space");
}

}  // namespace

Tensor forward_cpu(Tensor query, Tensor key, Tensor value, std::int64_t kernel_size, std::int64_t border, Table rows, Table columns) {
  const Problem problem = read_problem(query, key, value, kernel_size, border);
  check_bias(problem, rows, columns, value);
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  value = torch::stable::contiguous(value);
  Tensor output = output_like(problem, value);
  if (output.numel() == 0) return output;
  prefer_large_pages(output);
  run_rows(chosen_path().forward,
           Forward{problem, query.const_data_ptr(), key.const_data_ptr(), value.const_data_ptr(), bias_of(rows, columns),
                   output.mutable_data_ptr()});
  return output;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cpu(Tensor grad_output, Tensor query, Tensor key, Tensor value,
                                                        std::int64_t kernel_size, std::int64_t border, Table rows, Table columns) {
  const Problem problem = read_problem(query, key, value, kernel_size, border);
  check_grad_output(problem, grad_output, value);
  check_bias(problem, rows, columns, value);
  grad_output = torch::stable::contiguous(grad_output);
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  value = torch::stable::contiguous(value);
  Tensor grad_query = torch::stable::new_empty(query, query.sizes()), grad_key = torch::stable::new_empty(key, key.sizes()),
         grad_value = torch::stable::new_empty(value, value.sizes()), grad_bias = bias_gradient_like(problem, rows, value);
  prefer_large_pages(grad_query);
  prefer_large_pages(grad_value);
  if (problem.planes() > 0)
    run_rows(chosen_path().backward,
             Backward{problem, grad_output.const_data_ptr(), query.const_data_ptr(), key.const_data_ptr(), value.const_data_ptr(),
                      bias_of(rows, columns), grad_query.mutable_data_ptr(), grad_key.mutable_data_ptr(),
                      grad_value.mutable_data_ptr(), rows ? grad_bias.mutable_data_ptr() : nullptr});
  return {grad_query, grad_key, grad_value, grad_bias};
}

}  // namespace sapa
