// Vectors of float32, as long as those of the processor, and the loops that several files need.

#pragma once

#include <cstdint>
#include <cstring>

namespace odconv {

#ifdef __AVX512F__
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

// Both GCC and Clang have such vectors, and split them where the processor has shorter ones.
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));

// `Lane` is a Vector, or a float for the elements that are left.
template <class Lane = Vector>
inline Lane load(const float* from) {
  Lane lane;
  std::memcpy(&lane, from, sizeof lane);
  return lane;
}

template <class Lane>
inline void store(float* to, Lane lane) { std::memcpy(to, &lane, sizeof lane); }

inline float total(Vector vector) {
  float sum = 0.f;
  for (int lane = 0; lane < kLanes; ++lane) sum += vector[lane];
  return sum;
}

inline int64_t above(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Calls `run(element, Vector or float)` for elements 0 to `count`: vectors, then those left.
template <class Run>
inline void each_lane(int64_t count, Run run) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) run(i, Vector{});
  for (; i < count; ++i) run(i, float{});
}

// (sum_k mixing[k] * bank[k]) * scale of `count` elements of a row; kernels lie `size` apart.
inline void mix(const float* bank, int64_t size, const float* mixing, int64_t kernels,
                const float* scale, int64_t count, float* out) {
  each_lane(count, [=](int64_t i, auto lane) {
    using Lane = decltype(lane);
    Lane sum = mixing[0] * load<Lane>(bank + i);
    for (int64_t k = 1; k < kernels; ++k) sum += mixing[k] * load<Lane>(bank + k * size + i);
    store(out + i, sum * load<Lane>(scale + i));
  });
}

}  // namespace odconv
