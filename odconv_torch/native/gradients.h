// From the gradients of the kernels that the samples had to those of all that made them: the bank,
// and the attentions. The bank is read once, and its gradient written once.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>

#include "call.h"
#include "vectors.h"

namespace odconv {

// Where the gradients go; those of attentions that are not there as well.
struct Gradients {
  float *x, *bank, *channel, *filter, *spatial, *mixing;
};

constexpr int64_t kMost = 16;  // kernels

class Spread : Call {
 public:
  // `slopes` are the gradients of the kernels, (batch, groups * outs, depth).
  Spread(const Call& call, const float* slopes, const Gradients& to)
      : Call(call), slopes_(slopes), to_(to), scales_(batch * groups * depth()) {
    const int64_t count = tap_count();
    for (int64_t i = 0; i < batch * groups * ins; ++i)
      for (int64_t t = 0; t < count; ++t)
        scales_[i * count + t] = (channel ? channel[i] : 1.f) *
                                 (spatial ? spatial[i / (groups * ins) * count + t] : 1.f);
  }

  // Each part of the rows has sums of its own, which are added up in one order.
  void run() {
    const int64_t rows = groups * outs;
    const int64_t parts = std::min<int64_t>(rows, at::get_num_threads());
    std::vector<Sums> sums(parts);
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        sums[part].scales.resize(scales_.size()), sums[part].mixing.resize(batch * kernels);
        for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row)
          for (int64_t sample = 0; sample < batch; ++sample) spread(sample, row, sums[part]);
      }
    });
    for (int64_t part = 1; part < parts; ++part) {
      for (size_t i = 0; i < scales_.size(); ++i) sums[0].scales[i] += sums[part].scales[i];
      for (int64_t i = 0; i < batch * kernels; ++i) sums[0].mixing[i] += sums[part].mixing[i];
    }
    std::copy(sums[0].mixing.begin(), sums[0].mixing.end(), to_.mixing);
    divide(sums[0].scales);
  }

 private:
  struct Sums {
    std::vector<float> scales, mixing;  // as `scales_`, and (batch, kernels)
  };

  // One row of the kernel of a sample.
  void spread(int64_t sample, int64_t row, Sums& sums) const {
    const int64_t size = groups * outs * depth(), first = (sample * groups + row / outs) * depth();
    const int64_t plane = sample * groups * outs + row;
    const float *slope = slopes_ + plane * depth(), *own = bank + row * depth();
    const float *scale = &scales_[first], *mixing = weights(sample), factor = this->factor(plane);
    float *to = to_.bank + row * depth(), *to_scale = &sums.scales[first];
    Vector lanes[kMost + 1] = {};  // of the kernels, and of the filter
    float rest[kMost + 1] = {};
    each_lane(depth(), [&](int64_t i, auto lane) {
      using Lane = decltype(lane);
      const auto sum = [&](int64_t k) -> auto& {
        if constexpr (sizeof(Lane) == sizeof(float)) return rest[k];
        else return lanes[k];
      };
      const Lane above = load<Lane>(slope + i), below = above * load<Lane>(scale + i) * factor;
      Lane mixed{};
      for (int64_t k = 0; k < kernels; ++k) {
        const Lane of_bank = load<Lane>(own + k * size + i);
        const Lane before = sample ? load<Lane>(to + k * size + i) : Lane{};
        mixed += mixing[k] * of_bank;
        store(to + k * size + i, before + mixing[k] * below);
        sum(k) += below * of_bank;
      }
      sum(kMost) += above * load<Lane>(scale + i) * mixed;
      store(to_scale + i, load<Lane>(to_scale + i) + above * mixed * factor);
    });
    for (int64_t k = 0; k < kernels; ++k)
      sums.mixing[sample * kernels + k] += total(lanes[k]) + rest[k];
    to_.filter[plane] = total(lanes[kMost]) + rest[kMost];
  }

  // The gradients of what scales the elements of a row are those of channels and of taps.
  void divide(const std::vector<float>& of_scales) const {
    const int64_t count = tap_count(), channels = groups * ins;
    for (int64_t i = 0; i < batch * channels; ++i) {
      float sum = 0.f;
      for (int64_t t = 0; t < count; ++t) {
        const int64_t place = i / channels * count + t;
        const float of_scale = of_scales[i * count + t];
        sum += of_scale * (spatial ? spatial[place] : 1.f);
        if (i % channels == 0) to_.spatial[place] = 0.f;
        to_.spatial[place] += of_scale * (channel ? channel[i] : 1.f);
      }
      to_.channel[i] = sum;
    }
  }

  const float* slopes_;
  const Gradients to_;
  std::vector<float> scales_;  // (batch, groups, depth)
};

}  // namespace odconv
