// One call of the dynamic convolution: its arrays and its geometry.

#pragma once

#include <cstdint>

namespace odconv {

struct Call {
  const float *x, *bank, *channel, *filter, *spatial, *mixing, *bias;  // null: there is none
  float* y;
  int64_t batch, groups, ins, outs, kernels, bias_step;  // ins and outs: of a group
  int64_t taps[2], stride[2], padding[2], dilation[2], in[2], out[2];
  bool channels_last;  // of both maps

  int64_t tap_count() const { return taps[0] * taps[1]; }
  int64_t depth() const { return ins * tap_count(); }
  int64_t positions() const { return out[0] * out[1]; }

  // Each position of the output sees the same one of the map, and no other.
  bool pointwise() const {
    return tap_count() == 1 && stride[0] * stride[1] == 1 && !(padding[0] || padding[1]);
  }

  // What mixes the kernels of a sample.
  const float* weights(int64_t sample) const {
    static constexpr float one = 1.f;
    return mixing ? mixing + sample * kernels : &one;
  }

  // `plane` counts the output channels of all samples.
  float factor(int64_t plane) const { return filter ? filter[plane] : 1.f; }
  float offset(int64_t sample, int64_t row) const {
    return bias ? bias[sample * bias_step + row] : 0.f;
  }
};

}  // namespace odconv
