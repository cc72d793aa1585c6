// This processor's own limits: multiply-adds a second in registers, and bytes a second through memory.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void multiply_add_512(std::int64_t steps) {
  __m512 sum[12];
  for (auto& s : sum) s = _mm512_set1_ps(1.0f);
  const __m512 a = _mm512_set1_ps(0.9999f), b = _mm512_set1_ps(1e-4f);
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) {
      sum[j] = _mm512_fmadd_ps(sum[j], a, b);
      asm volatile("" : "+v"(sum[j]));
    }
  }
}

__attribute__((target("avx2,fma"))) void multiply_add_256(std::int64_t steps) {
  __m256 sum[12];
  for (auto& s : sum) s = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.9999f), b = _mm256_set1_ps(1e-4f);
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) {
      sum[j] = _mm256_fmadd_ps(sum[j], a, b);
      asm volatile("" : "+x"(sum[j]));
    }
  }
}

__attribute__((target("avx2"))) void copy_past_the_caches(const char* from, char* to, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 32)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i), _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i)));
  _mm_sfence();
}
#endif

template <class F>
double together(int threads, F&& work) {
  const double start = seconds();
  std::vector<std::thread> pool;
  for (int i = 1; i < threads; ++i) pool.emplace_back(work, i);
  work(0);
  for (auto& thread : pool) thread.join();
  return seconds() - start;
}

}  // namespace

// Floating point operations a second of `threads` threads together; 0 where no vector path is known.
extern "C" double flops_per_second(int threads) {
#if defined(__x86_64__)
  const std::int64_t steps = 1000000;
  const bool wide = __builtin_cpu_supports("avx512f");
  if (!wide && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) return 0;
  const double time = together(threads, [&](int) { wide ? multiply_add_512(steps) : multiply_add_256(steps); });
  return threads * 2.0 * 12 * (wide ? 16 : 8) * static_cast<double>(steps) / time;
#else
  return 0;
#endif
}

// Bytes read plus written a second, copying `bytes` from one warm buffer to another; the better of two ways.
extern "C" double bytes_per_second(int threads, std::int64_t bytes) {
  const std::size_t part = static_cast<std::size_t>(bytes) / static_cast<std::size_t>(threads) / 64 * 64;
  std::vector<char*> from(threads), to(threads);
  for (int i = 0; i < threads; ++i) {
    from[i] = static_cast<char*>(std::aligned_alloc(64, part));
    to[i] = static_cast<char*>(std::aligned_alloc(64, part));
    std::memset(from[i], 1, part);
    std::memset(to[i], 1, part);
  }
  double best = together(threads, [&](int i) { std::memcpy(to[i], from[i], part); });
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    const double time = together(threads, [&](int i) { copy_past_the_caches(from[i], to[i], part); });
    if (time < best) best = time;
  }
#endif
  for (int i = 0; i < threads; ++i) {
    std::free(from[i]);
    std::free(to[i]);
  }
  return 2.0 * static_cast<double>(part) * threads / best;
}
