// Pointwise kernels on maps whose channels lie last. They are made in panels of a few vectors of
// outputs, in which the rows of the map meet them as they lie: nothing is copied.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "call.h"
#include "tiles.h"
#include "vectors.h"

namespace odconv {

class Packed : Call {
 public:
  explicit Packed(const Call& call)
      : Call(call),
        width_(above(outs, kLanes) * kLanes),
        panels_(panels_of(width_)),
        blocks_(above(positions(), kRows)) {}

  static bool suits(const Call& call) {
    return call.channels_last && call.positions() >= kRows;
  }

  void run() {
    const int64_t count = panels_.size();
    const at::Tensor buffer = at::empty({ins * width_}, at::kFloat);
    packed_ = buffer.mutable_data_ptr<float>();
    for (int64_t sample = 0; sample < batch; ++sample) {
      at::parallel_for(0, count, above(1 << 14, ins * kernels * kVectors * kLanes),
                       [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) pack(sample, panels_[i]);
      });
      // Few panels are shared among threads block by block.
      const int64_t parts = std::min(blocks_, above(4 * at::get_num_threads(), count));
      const int64_t work = ins * positions() * width_ / (count * parts);
      at::parallel_for(0, count * parts, above(kGrain, work), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t part = i / count;
          for (int64_t b = blocks_ * part / parts; b < blocks_ * (part + 1) / parts; ++b)
            multiply(sample, panels_[i % count], b);
        }
      });
    }
  }

 private:
  // The kernels of a panel's outputs with all attentions in them, (in, outputs); zeros behind them.
  void pack(int64_t sample, const Panel& panel) const {
    std::vector<float> scale(ins), own(kernels), rows(kLanes * ins);
    for (int64_t i = 0; i < ins; ++i)
      scale[i] = (spatial ? spatial[sample] : 1.f) * (channel ? channel[sample * ins + i] : 1.f);
    float* to = packed_ + panel.first * ins;
    for (int64_t start = 0; start < panel.count; start += kLanes, to += kLanes) {
      const int64_t first = panel.first + start, count = std::min<int64_t>(kLanes, outs - first);
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t k = 0; k < kernels; ++k)
          own[k] = weights(sample)[k] * factor(sample * outs + first + r);
        mix(bank + (first + r) * ins, outs * ins, own.data(), kernels, scale.data(), ins,
            &rows[r * ins]);
      }
      std::fill(rows.begin() + count * ins, rows.end(), 0.f);
      for (int64_t i = 0; i < ins; ++i)
        for (int r = 0; r < kLanes; ++r) to[i * panel.count + r] = rows[r * ins + i];
    }
  }

  // kRows positions with a panel. The last ones begin among those before them, which stay.
  void multiply(int64_t sample, const Panel& panel, int64_t block) const {
    const int64_t start = std::min(block * kRows, positions() - kRows);
    const int64_t width = std::min(panel.count, outs - panel.first);
    const float* map = x + (sample * positions() + start) * ins;
    float part[kRows * kVectors * kLanes];
    kProducts[panel.vectors - 1](map, ins, packed_ + panel.first * ins, ins, part);
    const float* shift = bias ? bias + sample * bias_step + panel.first : nullptr;
    for (int64_t r = block * kRows - start; r < kRows; ++r) {
      float* to = y + (sample * positions() + start + r) * outs + panel.first;
      const float* from = part + r * panel.count;
      each_lane(width, [&](int64_t i, auto lane) {
        using Lane = decltype(lane);
        store(to + i, shift ? load<Lane>(from + i) + load<Lane>(shift + i) : load<Lane>(from + i));
      });
    }
  }

  static constexpr int64_t kGrain = 1 << 16;  // multiply-adds that are worth a thread
  const int64_t width_;                       // of the panels together, in outputs
  const std::vector<Panel> panels_;
  const int64_t blocks_;  // of kRows positions
  float* packed_;
};

}  // namespace odconv
