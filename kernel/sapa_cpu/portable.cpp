// The portable path: any x86-64 processor, and any compiler with vector extensions, and float64 on every machine.
#include "backward.h"
#include "pack_portable.h"

namespace sapa {

bool forward_portable(const Forward& call, std::int64_t begin, std::int64_t end) {
  switch (call.problem.element) {
    case Element::float32: return forward_rows<PortablePack<float>, float>(call, begin, end);
    case Element::float64: return forward_rows<PortablePack<double>, double>(call, begin, end);
    case Element::bfloat16: return forward_rows<PortablePack<float>, BFloat16>(call, begin, end);
    case Element::float16: return forward_rows<PortablePack<float>, Float16>(call, begin, end);
  }
  return false;
}

bool backward_portable(const Backward& call, std::int64_t begin, std::int64_t end) {
  switch (call.problem.element) {
    case Element::float32: return backward_rows<PortablePack<float>, float>(call, begin, end);
    case Element::float64: return backward_rows<PortablePack<double>, double>(call, begin, end);
    case Element::bfloat16: return backward_rows<PortablePack<float>, BFloat16>(call, begin, end);
    case Element::float16: return backward_rows<PortablePack<float>, Float16>(call, begin, end);
  }
  return false;
}

}  // namespace sapa
