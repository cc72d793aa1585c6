// The AVX-512 path. Only this file and the headers it includes may use these instructions: nothing here may come from the
// C++ standard library, whose inline functions the linker would share with the portable path.
#include "backward.h"
#include "pack_avx512.h"

namespace sapa {

bool forward_avx512(const Forward& call, std::int64_t begin, std::int64_t end) {
  switch (call.problem.element) {
    case Element::float32: return forward_rows<Pack, float>(call, begin, end);
    case Element::bfloat16: return forward_rows<Pack, BFloat16>(call, begin, end);
    case Element::float16: return forward_rows<Pack, Float16>(call, begin, end);
    case Element::float64: return forward_portable(call, begin, end);
  }
  return false;
}

bool backward_avx512(const Backward& call, std::int64_t begin, std::int64_t end) {
  switch (call.problem.element) {
    case Element::float32: return backward_rows<Pack, float>(call, begin, end);
    case Element::bfloat16: return backward_rows<Pack, BFloat16>(call, begin, end);
    case Element::float16: return backward_rows<Pack, Float16>(call, begin, end);
    case Element::float64: return backward_portable(call, begin, end);
  }
  return false;
}

}  // namespace sapa
