#pragma once

#include "sapa_cpu/dispatch.h"

#if defined(CUDA_KERNEL)
#include "sapa_cuda/dispatch.h"
#endif
