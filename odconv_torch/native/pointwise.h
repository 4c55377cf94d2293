// Pointwise kernels are a matrix product with the map as it lies. The attentions scale whichever is
// smaller: the kernels, which are made anew where there are several, or both maps.

#pragma once

#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>

#include "call.h"
#include "vectors.h"

namespace odconv {

constexpr int64_t kSmall = 1 << 18;  // elements of a kernel that stays in the cache until its use

class Pointwise : Call {
 public:
  // `x` and `y` are maps (batch, channels, height, width), `weight` the bank.
  Pointwise(const Call& call, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& y)
      : Call(call), x_(x), y_(y), kernel_(weight.view({-1, ins}).narrow(0, 0, outs)) {
    const int64_t maps = positions() * ((channel ? ins : 0) + (filter ? outs : 0));
    fixed_ = kernels == 1 && !mixing && !spatial && maps <= ins * outs;
  }

  void run() {
    if (!fixed_) kernel_ = at::empty({outs, ins}, x_.options(), at::MemoryFormat::Contiguous);
    for (int64_t sample = 0; sample < batch; ++sample) {
      if (!fixed_) make_kernel(sample, kernel_.mutable_data_ptr<float>());
      at::Tensor map = rows(x_[sample], ins), out = rows(y_[sample], outs);
      if (fixed_ && channel) map = at::mul(map, factors(sample));
      if (channels_last) at::mm_out(out, map, kernel_.t());
      else at::mm_out(out, kernel_, map);
      if (bias || (fixed_ && filter)) finish(sample);
    }
  }

 private:
  // A map of one sample as a matrix: (channels, positions), or (positions, channels).
  at::Tensor rows(const at::Tensor& map, int64_t channels) const {
    return channels_last ? map.permute({1, 2, 0}).view({-1, channels}) : map.view({channels, -1});
  }

  // The channel attention of a sample, to scale `rows` of the map.
  at::Tensor factors(int64_t sample) const {
    const auto pointer = const_cast<float*>(channel + sample * ins);  // nobody writes to it
    const at::Tensor row = at::from_blob(pointer, {ins}, x_.options());
    return channels_last ? row : row.unsqueeze(1);
  }

  // The kernel of a sample (out, in), with all attentions in it.
  void make_kernel(int64_t sample, float* to) const {
    std::vector<float> scale(ins, spatial ? spatial[sample] : 1.f);
    for (int64_t i = 0; channel && i < ins; ++i) scale[i] *= channel[sample * ins + i];
    const int64_t grain = std::max<int64_t>(1, (1 << 14) / (ins * kernels));
    at::parallel_for(0, outs, grain, [&](int64_t begin, int64_t end) {
      std::vector<float> mixing(weights(sample), weights(sample) + kernels), own(kernels);
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t k = 0; k < kernels; ++k) own[k] = mixing[k] * factor(sample * outs + row);
        mix(bank + row * ins, outs * ins, own.data(), kernels, scale.data(), ins, to + row * ins);
      }
    });
  }

  // y * filter + bias, where the kernel has no filter attention in it.
  void finish(int64_t sample) const {
    const int64_t count = positions();
    float* const start = y + sample * outs * count;
    const float* scales = fixed_ && filter ? filter + sample * outs : nullptr;
    const float* shifts = bias ? bias + sample * bias_step : nullptr;
    const int64_t lines = channels_last ? count : outs, width = channels_last ? outs : count;
    const int64_t grain = std::max<int64_t>(1, (1 << 15) / width);
    at::parallel_for(0, lines, grain, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) {
        float* to = start + line * width;
        each_lane(width, [&](int64_t i, auto lane) {
          using Lane = decltype(lane);
          const auto of = [&](const float* values, float none) {
            if (!values) return none + Lane{};
            return channels_last ? load<Lane>(values + i) : values[line] + Lane{};
          };
          store(to + i, load<Lane>(to + i) * of(scales, 1.f) + of(shifts, 0.f));
        });
      }
    });
  }

  const at::Tensor &x_, &y_;
  at::Tensor kernel_;
  bool fixed_;  // the kernel is the bank's, and the maps are scaled
};

}  // namespace odconv
