// Pointwise kernels are a matrix product with the map as it lies, and so are their gradients. The
// attentions scale whichever is smaller: the kernels, which are made anew where there are several,
// or both maps.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>

#include "call.h"
#include "gradients.h"
#include "vectors.h"

namespace odconv {

constexpr int64_t kSmall = 1 << 18;  // elements of a kernel that stays in the cache until its use
constexpr int64_t kTogether = 1 << 20;  // elements of kernels that are made at a time, about: 4 MiB

class Pointwise : Call {
 public:
  // `x` and `y` are maps (batch, channels, height, width), `weight` the bank. Of gradients, `x` is
  // that of the input, to be filled, and `y` that of the output.
  Pointwise(const Call& call, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& y)
      : Call(call), x_(rows(x)), y_(rows(y)), kernels_(weight.view({-1, outs, ins})) {
    const int64_t maps = positions() * ((channel ? ins : 0) + (filter ? outs : 0));
    fixed_ = kernels == 1 && !mixing && !spatial && maps <= ins * outs;
  }

  void run() {
    each_chunk([&](int64_t first, int64_t count) {
      at::Tensor map = x_.narrow(0, first, count);
      if (fixed_ && channel) map = at::mul(map, factors(first, count));
      const at::Tensor own = fixed_ ? kernels_.expand({count, outs, ins}) : made(first, count);
      const at::Tensor out = y_.narrow(0, first, count);
      if (channels_last) multiply(map, own.transpose(1, 2), out);
      else multiply(own, map, out);
      for (int64_t s = first; s < first + count && (bias || (fixed_ && filter)); ++s) finish(s);
    });
  }

  // The gradients to the input and, of the map that the kernels saw, to all others.
  void run_back(const at::Tensor& seen, const Gradients& to) {
    each_chunk([&](int64_t first, int64_t count) {
      const at::Tensor own = made(first, count), slope = y_.narrow(0, first, count);
      const at::Tensor out = x_.narrow(0, first, count);
      if (channels_last) multiply(slope, own, out);
      else multiply(own.transpose(1, 2), slope, out);
    });
    const at::Tensor map = rows(seen);
    const at::Tensor slopes =
        channels_last ? at::bmm(y_.transpose(1, 2), map) : at::bmm(y_, map.transpose(1, 2));
    Spread(*this, slopes.const_data_ptr<float>(), to).run();
  }

 private:
  // Calls `run(first sample, count)` for as many samples at a time as have small kernels.
  template <class Run>
  void each_chunk(Run run) const {
    const int64_t most = std::clamp<int64_t>(kTogether / (outs * ins), 1, batch);
    for (int64_t first = 0; first < batch; first += most)
      run(first, std::min(most, batch - first));
  }

  // Maps as matrices: (batch, channels, positions), or (batch, positions, channels).
  at::Tensor rows(const at::Tensor& map) const {
    return channels_last ? map.permute({0, 2, 3, 1}).flatten(1, 2) : map.flatten(2);
  }

  static void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor out) {
    if (out.size(0) > 1) {
      at::bmm_out(out, a, b);
    } else {
      at::Tensor only = out[0];
      at::mm_out(only, a[0], b[0]);
    }
  }

  // The channel attentions of samples, to scale `rows` of their maps.
  at::Tensor factors(int64_t first, int64_t count) const {
    const auto pointer = const_cast<float*>(channel + first * ins);  // nobody writes to it
    const at::Tensor rows = at::from_blob(pointer, {count, ins}, x_.options());
    return rows.unsqueeze(channels_last ? 1 : 2);
  }

  // The kernels of samples (count, out, in), with all attentions in them.
  at::Tensor made(int64_t first, int64_t count) {
    if (!made_.defined() || made_.size(0) < count)
      made_ = at::empty({count, outs, ins}, x_.options(), at::MemoryFormat::Contiguous);
    float* const to = made_.mutable_data_ptr<float>();
    const int64_t grain = std::max<int64_t>(1, (1 << 14) / (ins * kernels));
    at::parallel_for(0, count * outs, grain, [&](int64_t begin, int64_t end) {
      std::vector<float> scale(ins), own(kernels);
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t sample = first + plane / outs, row = plane % outs;
        if (plane == begin || row == 0) scale_of(sample, scale.data());
        for (int64_t k = 0; k < kernels; ++k)
          own[k] = weights(sample)[k] * factor(sample * outs + row);
        mix(bank + row * ins, outs * ins, own.data(), kernels, scale.data(), ins, to + plane * ins);
      }
    });
    return made_.narrow(0, 0, count);
  }

  // What scales each input channel of a sample.
  void scale_of(int64_t sample, float* to) const {
    for (int64_t i = 0; i < ins; ++i)
      to[i] = (spatial ? spatial[sample] : 1.f) * (channel ? channel[sample * ins + i] : 1.f);
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

  const at::Tensor x_, y_, kernels_;
  at::Tensor made_;
  bool fixed_;  // the kernel is the bank's, and the maps are scaled
};

}  // namespace odconv
