// The CUDA operators, as the dispatcher calls them.
#pragma once

#include "../sapa_cpu/dispatch.h"

namespace sapa {

Tensor forward_cuda(Tensor query, Tensor key, Tensor value, std::int64_t kernel_size, std::int64_t border, Table rows, Table columns);
std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cuda(Tensor grad_output, Tensor query, Tensor key, Tensor value,
                                                         std::int64_t kernel_size, std::int64_t border, Table rows, Table columns);

}  // namespace sapa
