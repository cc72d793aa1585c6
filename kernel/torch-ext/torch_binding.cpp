#include <torch/csrc/stable/library.h>

#include "registration.h"
#include "torch_binding.h"

STABLE_TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME, ops) {
  ops.def(
      "forward(Tensor query, Tensor key, Tensor value, int kernel_size, int border, Tensor? rows=None, Tensor? columns=None) -> "
      "Tensor");
  ops.def(
      "backward(Tensor grad_output, Tensor query, Tensor key, Tensor value, int kernel_size, int border, Tensor? rows=None, "
      "Tensor? columns=None) -> (Tensor, Tensor, Tensor, Tensor)");
}

// A CUDA build of torch loads the CUDA library for CPU tensors too, so both libraries carry the CPU operators.
STABLE_TORCH_LIBRARY_IMPL_EXPAND(TORCH_EXTENSION_NAME, CPU, ops) {
  ops.impl("forward", TORCH_BOX(&sapa::forward_cpu));
  ops.impl("backward", TORCH_BOX(&sapa::backward_cpu));
}

#if defined(CUDA_KERNEL)
STABLE_TORCH_LIBRARY_IMPL_EXPAND(TORCH_EXTENSION_NAME, CUDA, ops) {
  ops.impl("forward", TORCH_BOX(&sapa::forward_cuda));
  ops.impl("backward", TORCH_BOX(&sapa::backward_cuda));
}
#endif

REGISTER_EXTENSION(TORCH_EXTENSION_NAME)
