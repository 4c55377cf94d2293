// An attention of inference as one operation: the mean of a map, a small layer with its norm and
// ReLU, and heads that end in a sigmoid or a softmax. Arithmetic is nothing here, calls are all.

#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "vectors.h"

namespace odconv {

using Optional = std::optional<at::Tensor>;

// Sums over the positions of a map (positions, channels), a line of some positions at a time: few
// numbers of a size meet then, whatever the map.
inline void sum_rows(const float* map, int64_t positions, int64_t channels, int64_t first,
                     int64_t last, float* sums) {
  constexpr int64_t kLine = 64;
  std::vector<float> line(last - first);
  for (int64_t start = 0; start < positions; start += kLine) {
    std::fill(line.begin(), line.end(), 0.f);
    for (int64_t p = start; p < std::min(positions, start + kLine); ++p) {
      const float* row = map + p * channels + first;
      each_lane(last - first, [&](int64_t i, auto lane) {
        using Lane = decltype(lane);
        store(&line[i], load<Lane>(&line[i]) + load<Lane>(row + i));
      });
    }
    for (int64_t i = 0; i < last - first; ++i) sums[first + i] += line[i];
  }
}

// The sum of `count` numbers, which lie side by side.
inline float sum_plane(const float* map, int64_t count) {
  constexpr int kSums = 4;
  Vector sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * kLanes <= count; i += kSums * kLanes)
    for (int s = 0; s < kSums; ++s) sums[s] += load(map + i + s * kLanes);
  float sum = 0.f;
  for (; i < count; ++i) sum += map[i];
  return sum + total((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// The means of a map, (batch, channels): of one with its channels first, or last.
inline std::vector<float> means(const at::Tensor& x, bool last) {
  constexpr int64_t kWork = 1 << 15;  // elements that are worth a thread
  const int64_t batch = x.size(0), channels = x.size(1);
  const int64_t positions = x.numel() / std::max<int64_t>(1, batch * channels);
  const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(positions, 1));
  const float* map = x.const_data_ptr<float>();
  std::vector<float> found(batch * channels, 0.f);
  at::parallel_for(0, batch * channels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t first = i % channels, until = std::min(channels, first + end - i);
      float* sums = &found[i - first];
      if (last) sum_rows(map + (i - first) * positions, positions, channels, first, until, sums);
      else
        for (int64_t c = first; c < until; ++c)
          sums[c] = sum_plane(map + (i - first + c) * positions, positions);
      for (int64_t c = first; c < until; ++c) sums[c] /= positions;
      i += until - first;
    }
  });
  return found;
}

// A layer (out, in) with an optional bias.
struct Linear {
  const float *weight, *bias;
  int64_t ins, outs;

  float at(const float* row, int64_t out) const {
    Vector sums{};
    const float* weights = weight + out * ins;
    int64_t i = 0;
    for (; i + kLanes <= ins; i += kLanes) sums += load(weights + i) * load(row + i);
    float sum = total(sums);
    for (; i < ins; ++i) sum += weights[i] * row[i];
    return bias ? sum + bias[out] : sum;
  }
};

// (value - mean) / sqrt(variance + eps) * weight + bias of each channel, and the ReLU behind it.
struct Norm {
  const float *mean, *variance, *weight, *bias;  // null: without a norm, weight or bias
  double eps;

  float at(float value, int64_t channel) const {
    if (mean) {
      value = (value - mean[channel]) / std::sqrt(variance[channel] + float(eps));
      value = value * (weight ? weight[channel] : 1.f) + (bias ? bias[channel] : 0.f);
    }
    return value < 0.f ? 0.f : value;  // keeps what is no number
  }
};

inline void softmax(float* values, int64_t count) {
  const float most = *std::max_element(values, values + count);
  float sum = 0.f;
  for (int64_t i = 0; i < count; ++i) sum += values[i] = std::exp(values[i] - most);
  for (int64_t i = 0; i < count; ++i) values[i] /= sum;
}

// A head on one row: sigmoids, or softmaxes over `together` logits each.
inline void run_head(const Linear& layer, const float* row, float temperature, int64_t together,
                     float* out) {
  constexpr int64_t kWork = 1 << 15;  // multiply-adds that are worth a thread
  const int64_t unit = std::max<int64_t>(together, 1);
  const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(1, unit * layer.ins));
  at::parallel_for(0, layer.outs / unit, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * unit; i < end * unit; ++i) {
      const float logit = layer.at(row, i) / temperature;
      out[i] = together ? logit : 1.f / (1.f + std::exp(-logit));
    }
    for (int64_t i = begin; together && i < end; ++i) softmax(out + i * unit, unit);
  });
}

// Contiguous arrays, for as long as their pointers are used.
class Arrays {
 public:
  const float* operator()(const char* name, const Optional& array, int64_t count) {
    if (!array.has_value()) return nullptr;
    TORCH_CHECK(array->scalar_type() == at::kFloat && array->numel() == count,
                "odconv::attend: expected ", name, " of float32 and ", count,
                " elements, received ", array->scalar_type(), " and ", array->sizes());
    kept_.push_back(array->contiguous());
    return kept_.back().const_data_ptr<float>();
  }

  Linear linear(const char* name, const at::Tensor& weight, const Optional& bias, int64_t ins) {
    TORCH_CHECK(weight.dim() >= 2, "odconv::attend: expected ", name,
                " (out, in, *ones), received ", weight.sizes());
    const int64_t outs = weight.size(0);
    return {(*this)(name, weight, outs * ins), (*this)("a bias", bias, outs), ins, outs};
  }

 private:
  std::vector<at::Tensor> kept_;
};

// The layers of all heads: rows of one array, or of an array each.
inline std::vector<Linear> heads_of(Arrays& arrays, at::TensorList weights,
                                    const c10::List<Optional>& biases, at::IntArrayRef widths,
                                    at::IntArrayRef together, int64_t ins) {
  TORCH_CHECK(weights.size() == biases.size() && widths.size() == together.size(),
              "odconv::attend: expected a bias for each weight and a number of logits for each "
              "head, received ", biases.size(), " for ", weights.size(), " and ",
              together.size(), " for ", widths.size());
  std::vector<Linear> heads;
  size_t head = 0;
  for (size_t array = 0; array < weights.size(); ++array) {
    const Linear all = arrays.linear("a head", weights[array], biases.get(array), ins);
    int64_t row = 0;
    for (; row < all.outs && head < widths.size(); row += widths[head++]) {
      const int64_t width = widths[head], unit = std::max<int64_t>(together[head], 1);
      TORCH_CHECK(width > 0 && row + width <= all.outs && width % unit == 0,
                  "odconv::attend: expected heads whose widths add up to ", all.outs,
                  " and softmaxes that divide them, received ", widths, " and ", together);
      heads.push_back({all.weight + row * ins, all.bias ? all.bias + row : nullptr, ins, width});
    }
    TORCH_CHECK(row == all.outs, "odconv::attend: expected heads whose widths add up to ",
                all.outs, ", received ", widths);
  }
  TORCH_CHECK(head == widths.size(), "odconv::attend: expected arrays for ", widths.size(),
              " heads, received those of ", head);
  return heads;
}

inline std::vector<at::Tensor> attend(const at::Tensor& x, const Optional& squeeze,
                                      const Optional& offset, const c10::List<Optional>& norm,
                                      double eps, at::TensorList weights,
                                      const c10::List<Optional>& biases, at::IntArrayRef widths,
                                      at::IntArrayRef together, const Optional& temperature) {
  TORCH_CHECK(x.dim() >= 3 && x.scalar_type() == at::kFloat && x.numel() > 0,
              "odconv::attend: expected a map (batch, in, *map) of float32, received ",
              x.scalar_type(), " and ", x.sizes());
  TORCH_CHECK(norm.size() == 0 || norm.size() == 4,
              "odconv::attend: expected a norm's mean, variance, weight and bias, received ",
              norm.size(), " arrays");
  const bool last = x.dim() == 4 && !x.is_contiguous() &&
                    x.is_contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor map = last ? x : x.contiguous();
  const int64_t batch = x.size(0), channels = x.size(1);
  std::vector<float> rows = means(map, last);

  Arrays arrays;
  int64_t hidden = channels;
  if (squeeze.has_value()) {
    const Linear layer = arrays.linear("the first weight", *squeeze, offset, channels);
    hidden = layer.outs;
    Norm normed{nullptr, nullptr, nullptr, nullptr, eps};
    if (norm.size())
      normed = {arrays("a mean", norm.get(0), hidden), arrays("a variance", norm.get(1), hidden),
                arrays("a scale", norm.get(2), hidden), arrays("a shift", norm.get(3), hidden),
                eps};
    std::vector<float> squeezed(batch * hidden);
    for (int64_t i = 0; i < batch * hidden; ++i)
      squeezed[i] = normed.at(layer.at(&rows[i / hidden * channels], i % hidden), i % hidden);
    rows = std::move(squeezed);
  }
  const float* divisor = arrays("a temperature", temperature, 1);
  std::vector<at::Tensor> found;
  for (const Linear& head : heads_of(arrays, weights, biases, widths, together, hidden)) {
    const int64_t count = together[found.size()];
    found.push_back(at::empty({batch, head.outs}, x.options(), at::MemoryFormat::Contiguous));
    float* out = found.back().mutable_data_ptr<float>();
    for (int64_t sample = 0; sample < batch; ++sample)
      run_head(head, &rows[sample * hidden], divisor ? *divisor : 1.f, count,
               out + sample * head.outs);
  }
  return found;
}

// The shapes alone, for graphs that are recorded.
inline std::vector<at::Tensor> shapes_of_attend(const at::Tensor& x, const Optional&,
                                                const Optional&, const c10::List<Optional>&, double,
                                                at::TensorList, const c10::List<Optional>&,
                                                at::IntArrayRef widths, at::IntArrayRef,
                                                const Optional&) {
  std::vector<at::Tensor> found;
  for (const int64_t width : widths)
    found.push_back(at::empty_symint({x.sym_size(0), width}, x.options()));
  return found;
}

}  // namespace odconv
