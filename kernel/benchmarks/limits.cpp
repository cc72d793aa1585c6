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
// Twelve named sums, not an array: the barrier below keeps g++ from resolving an array's indices, so it would hold the sums on
// the stack, and the loop would measure how fast a store is read back.
#define STEP(fma) \
  s0 = fma(s0, a, b), s1 = fma(s1, a, b), s2 = fma(s2, a, b), s3 = fma(s3, a, b), s4 = fma(s4, a, b), s5 = fma(s5, a, b), \
  s6 = fma(s6, a, b), s7 = fma(s7, a, b), s8 = fma(s8, a, b), s9 = fma(s9, a, b), s10 = fma(s10, a, b), s11 = fma(s11, a, b)
#define KEEP asm volatile("" : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8), \
                          "+v"(s9), "+v"(s10), "+v"(s11))

__attribute__((target("avx512f"))) void multiply_add_512(std::int64_t steps) {
  const __m512 a = _mm512_set1_ps(0.9999f), b = _mm512_set1_ps(1e-4f);
  __m512 s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
  for (std::int64_t i = 0; i < steps; ++i) {
    STEP(_mm512_fmadd_ps);
    KEEP;
  }
}

__attribute__((target("avx2,fma"))) void multiply_add_256(std::int64_t steps) {
  const __m256 a = _mm256_set1_ps(0.9999f), b = _mm256_set1_ps(1e-4f);
  __m256 s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
  for (std::int64_t i = 0; i < steps; ++i) {
    STEP(_mm256_fmadd_ps);
    KEEP;
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
  const std::int64_t steps = 12000000;  // 25 ms or more
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
