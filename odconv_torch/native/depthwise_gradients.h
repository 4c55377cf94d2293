// Gradients of the convolution of each channel with a kernel of its own, channels first. Planes are
// split into parts as in the convolution, so that neighbours meet neighbours whatever the step.

#pragma once

#include <algorithm>
#include <vector>

#include "call.h"
#include "depthwise.h"
#include "vectors.h"

namespace odconv {

class PlaneGradients : Planes {
 public:
  explicit PlaneGradients(const Call& call) : Planes(call) {
    for (const int64_t at : tap_at_) front_ = std::max(front_, at % part_);
  }

  // From the gradient of the output, (batch, groups, *map), that of the input to `to_x`, and those
  // of the kernels to `slopes`, (batch, groups, taps).
  void run(const float* grad, float* to_x, float* slopes) const {
    const int64_t count = call_.stride[0] * call_.stride[1] * part_;
    each_part([&](int64_t begin, int64_t end) {
      // Vectors read behind all of them.
      std::vector<float> parts(count + front_ + kBlock, 0.f), to_parts(count + kBlock);
      std::vector<float> around(front_ + part_ + kBlock, 0.f), taps(call_.tap_count());
      for (int64_t plane = begin; plane < end; ++plane) {
        tap_weights(call_, plane / call_.groups, plane % call_.groups, taps.data());
        split(call_.x + plane * call_.in[0] * call_.in[1], parts.data());
        surround(grad + plane * call_.positions(), &around[front_]);
        slopes_of(parts.data(), &around[front_], slopes + plane * call_.tap_count());
        for (int64_t start = 0; start < count; start += part_)
          gather(start, &around[front_], taps.data(), &to_parts[start]);
        join(to_parts.data(), to_x + plane * call_.in[0] * call_.in[1]);
      }
    });
  }

 private:
  // The gradient in lines as long as those of a part, with zeros behind each.
  void surround(const float* grad, float* around) const {
    for (int64_t line = 0; line < call_.out[0]; ++line)
      std::copy_n(grad + line * call_.out[1], call_.out[1], around + line * size_[1]);
  }

  void slopes_of(const float* parts, const float* around, float* to) const {
    switch (call_.tap_count()) {
      case 9: return dots<9>(parts, around, 0, to);
      case 25: return dots<25>(parts, around, 0, to);
      default:
        for (int64_t t = 0; t < call_.tap_count(); ++t) dots<1>(parts, around, t, to + t);
    }
  }

  // Products of the gradient with what `count` taps see.
  template <int count>
  void dots(const float* parts, const float* around, int64_t first, float* to) const {
    const int64_t* at = &tap_at_[first];
    Vector sums[count] = {};
    for (int64_t i = 0; i < call_.out[0] * size_[1]; i += kLanes) {
      const Vector slope = load(around + i);
#pragma GCC unroll 25
      for (int t = 0; t < count; ++t) sums[t] += slope * load(parts + at[t] + i);
    }
    for (int t = 0; t < count; ++t) to[t] = total(sums[t]);
  }

  // The gradient of one part: of the taps that see it.
  void gather(int64_t start, const float* around, const float* taps, float* to) const {
    for (int64_t i = 0; i < part_; i += kBlock) {
      Vector sums[kVectorsOfBlock] = {};
      for (int64_t t = 0; t < call_.tap_count(); ++t) {
        const int64_t offset = tap_at_[t] - start;
        if (offset < 0 || offset >= part_) continue;
        for (int v = 0; v < kVectorsOfBlock; ++v)
          sums[v] += taps[t] * load(around + i - offset + v * kLanes);
      }
      for (int v = 0; v < kVectorsOfBlock; ++v) store(to + i + v * kLanes, sums[v]);
    }
  }

  // The map of the parts; what no tap sees gets none.
  void join(const float* parts, float* map) const {
    const int64_t step = call_.stride[1];
    if (step * call_.stride[0] > 1) std::fill_n(map, call_.in[0] * call_.in[1], 0.f);
    each_run([&](int64_t to, int64_t from, int64_t count) {
      for (int64_t i = 0; i < count; ++i) map[to + i * step] = parts[from + i];
    });
  }

  static constexpr int kVectorsOfBlock = 4;
  static constexpr int64_t kBlock = kVectorsOfBlock * kLanes;
  int64_t front_ = 0;  // zeros before the gradient
};

}  // namespace odconv
