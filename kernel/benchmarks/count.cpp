// One call of SegFormer-B1's six at 512 x 512 (64 x 64 positions, twice as many pixels, d 64, C 256, K 5) on the AVX2 path, for
// count_instructions.py: `count N` makes the forward pass N times.
#include "avx2.cpp"

#include <cstdlib>
#include <vector>

namespace sapa {
bool forward_portable(const Forward&, std::int64_t, std::int64_t) { return false; }
bool backward_portable(const Backward&, std::int64_t, std::int64_t) { return false; }
}  // namespace sapa

int main(int, char** arguments) {
  sapa::Problem p{};
  p.batch = 1;
  p.height = p.width = 64;
  p.guide_height = p.guide_width = 128;
  p.embedding = 64;
  p.channels = 256;
  p.kernel_size = 5;
  p.border = sapa::Border::zero;
  p.element = sapa::Element::float32;
#if defined(HEADS)
  p.heads = 1;
#endif
  const auto random = [](std::int64_t count) {
    std::vector<float> numbers(static_cast<std::size_t>(count));
    for (float& number : numbers) number = static_cast<float>(std::rand()) / RAND_MAX - 0.5f;
    return numbers;
  };
  const auto query = random(128 * 128 * 64), key = random(64 * 64 * 64), value = random(64 * 64 * 256);
  std::vector<float> output(128 * 128 * 256);
  const sapa::Forward call{p, query.data(), key.data(), value.data(), {nullptr, nullptr}, output.data()};
  for (int i = std::atoi(arguments[1]); i > 0; --i)
    if (!sapa::forward_avx2(call, 0, 64)) return 1;
}
