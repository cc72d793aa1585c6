// A CUDA device on the CPU, for testing kernels where there is no GPU: every thread of a block is a fiber that runs to the
// next barrier, warp exchange or matrix product. The fragment layouts are those of the PTX manual, written down on their own.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <vector_types.h>

#undef __global__
#undef __device__
#undef __host__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __expf expf

namespace emulated {

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done;
};

struct Copy {
  void* to;
  const void* from;
  bool there;
};

struct Barrier {
  int arrived = 0, generation = 0;
};

struct Device {
  std::vector<Fiber> fibers;
  std::vector<Barrier> warps;
  Barrier block;
  ucontext_t scheduler;
  int current = 0;
  std::function<void()> kernel;
  std::vector<std::vector<unsigned char>> slots;
  std::vector<std::vector<Copy>> copies;
  alignas(16) unsigned char shared[232448];
};

inline Device device;
inline uint3 thread_index, block_index;
inline dim3 block_size, grid_size;

inline void yield() {
  const uint3 own = thread_index;
  const int fiber = device.current;
  swapcontext(&device.fibers[fiber].context, &device.scheduler);
  thread_index = own;
}

inline void wait(Barrier& barrier, int count) {
  const int generation = barrier.generation;
  if (++barrier.arrived == count) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  while (barrier.generation == generation) yield();
}

inline int lane() { return static_cast<int>(thread_index.x % 32); }
inline int warp_start() { return static_cast<int>(thread_index.x) - lane(); }
inline void warp_barrier() { wait(device.warps[thread_index.x / 32], 32); }

// Shows `mine` to the warp, calls use(lane -> value), and waits until all have read.
template <class T, class F>
auto exchange(const T& mine, F&& use) {
  auto& slot = device.slots[thread_index.x];
  slot.resize(sizeof(T));
  std::memcpy(slot.data(), &mine, sizeof(T));
  warp_barrier();
  const auto result = use([](int other) {
    T value;
    std::memcpy(&value, device.slots[warp_start() + other].data(), sizeof(T));
    return value;
  });
  warp_barrier();
  return result;
}

inline void enter() {
  device.kernel();
  if (!device.copies[device.current].empty()) std::abort();  // shared memory must outlive its copies
  device.fibers[device.current].done = true;
  swapcontext(&device.fibers[device.current].context, &device.scheduler);
}

inline void run_block() {
  const int threads = static_cast<int>(block_size.x);
  std::memset(device.shared, 0xff, sizeof device.shared);  // not-a-number, until written
  device.fibers.resize(threads);
  device.warps.assign(threads / 32, {});
  device.block = {};
  device.slots.resize(threads);
  device.copies.assign(threads, {});
  for (auto& fiber : device.fibers) {
    fiber.stack.resize(256 * 1024);
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack = {fiber.stack.data(), 0, fiber.stack.size()};
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }
  for (bool running = true; running;) {
    running = false;
    for (int i = 0; i < threads; ++i) {
      if (device.fibers[i].done) continue;
      running = true;
      device.current = i;
      thread_index = {static_cast<unsigned>(i), 0, 0};
      swapcontext(&device.scheduler, &device.fibers[i].context);
    }
  }
}

template <class F>
void launch(unsigned blocks, unsigned threads, F&& kernel) {
  grid_size = dim3(blocks);
  block_size = dim3(threads);
  device.kernel = kernel;
  for (unsigned i = 0; i < blocks; ++i) {
    block_index = {i, 0, 0};
    run_block();
  }
}

}  // namespace emulated

#define threadIdx emulated::thread_index
#define blockIdx emulated::block_index
#define blockDim emulated::block_size
#define gridDim emulated::grid_size

inline void* dynamic_shared_memory() { return emulated::device.shared; }

template <class T>
void __stwb(T* to, const T& from) {
  *to = from;
}

// A copy happens as late as it may; until then its target is not-a-number.
inline void copy_sixteen(void* to, const void* from, bool there) {
  const auto* end = emulated::device.shared + sizeof emulated::device.shared;
  const bool aligned = (reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) % 16 == 0;
  if (!aligned || to < static_cast<void*>(emulated::device.shared) || static_cast<unsigned char*>(to) + 16 > end) std::abort();
  std::memset(to, 0xff, 16);
  emulated::device.copies[threadIdx.x].push_back({to, from, there});
}

inline void wait_for_copies() {
  auto& copies = emulated::device.copies[threadIdx.x];
  for (const auto& copy : copies) {
    if (copy.there) std::memcpy(copy.to, copy.from, 16);
    else std::memset(copy.to, 0, 16);
  }
  copies.clear();
}

inline void __syncthreads() { emulated::wait(emulated::device.block, static_cast<int>(emulated::block_size.x)); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulated::exchange(value, [&](auto of) { return of(emulated::lane() ^ mask); });
}

namespace sapa {

struct LeftFragment;
struct RightFragment;
struct SumFragment;

template <class T>
float half_at(std::uint32_t pair, int which) {
  T halves[2];
  std::memcpy(static_cast<void*>(halves), &pair, sizeof pair);
  return static_cast<float>(halves[which]);
}

template <class T, class Sum, class Left, class Right>
void multiply_add(Sum& sum, const Left& a, const Right& b) {
  struct Operands {
    Left a;
    Right b;
  };
  sum = emulated::exchange(Operands{a, b}, [&](auto of) {
    Sum result = sum;
    for (int i = 0; i < 4; ++i) {
      const int row = emulated::lane() / 4 + i / 2 * 8, column = 2 * (emulated::lane() % 4) + i % 2;
      for (int k = 0; k < 16; ++k) {
        const std::uint32_t left = of(row % 8 * 4 + k % 8 / 2).a.pairs[row / 8 + k / 8 * 2];
        const std::uint32_t right = of(column * 4 + k % 8 / 2).b.pairs[k / 8];
        result.values[i] += half_at<T>(left, k % 2) * half_at<T>(right, k % 2);
      }
    }
    return result;
  });
}

template <class T>
void load_transposed(std::uint32_t (&pairs)[4], const T* row) {
  struct Four {
    std::uint32_t pairs[4];
  };
  const Four four = emulated::exchange(row, [&](auto of) {
    Four result;
    for (int block = 0; block < 4; ++block) {
      T halves[2];
      for (int i = 0; i < 2; ++i) halves[i] = of(block * 8 + 2 * (emulated::lane() % 4) + i)[emulated::lane() / 4];
      std::memcpy(&result.pairs[block], halves, sizeof(std::uint32_t));
    }
    return result;
  });
  std::memcpy(pairs, four.pairs, sizeof four.pairs);
}

}  // namespace sapa
