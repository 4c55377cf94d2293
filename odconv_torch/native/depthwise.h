// The convolution of each channel with a kernel of its own. A kernel has a few taps, which all
// attentions scale; the map is read once.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>

#include "call.h"
#include "vectors.h"

namespace odconv {

constexpr int64_t kWork = 1 << 15;  // multiply-adds that are worth a thread

// The taps of one channel of a sample, to `taps`.
inline void tap_weights(const Call& call, int64_t sample, int64_t channel, float* taps) {
  const int64_t count = call.tap_count(), plane = sample * call.groups + channel;
  const float* mixing = call.weights(sample);
  const float scale = (call.channel ? call.channel[plane] : 1.f) * call.factor(plane);
  for (int64_t t = 0; t < count; ++t) {
    const float* bank = call.bank + channel * count + t;
    float sum = 0.f;
    for (int64_t k = 0; k < call.kernels; ++k) sum += mixing[k] * bank[k * call.groups * count];
    taps[t] = sum * scale * (call.spatial ? call.spatial[sample * count + t] : 1.f);
  }
}

// Channels first: one plane at a time. A step of 2 splits the padded plane into four of its own,
// of even and odd lines and columns, so that neighbours in the output see neighbours there.
class Planes {
 public:
  explicit Planes(const Call& call) : call_(call) {
    for (int i = 0; i < 2; ++i)
      size_[i] = call.out[i] + (call.taps[i] - 1) * call.dilation[i] / call.stride[i];
    part_ = size_[0] * size_[1];
    for (int64_t y = 0; y < call.taps[0]; ++y)
      for (int64_t x = 0; x < call.taps[1]; ++x)
        tap_at_.push_back(place(y * call.dilation[0], x * call.dilation[1]));
  }

  void run() const {
    each_part([&](int64_t begin, int64_t end) {
      // What lies outside the map is zero in each plane; vectors may read behind the last one.
      std::vector<float> parts(call_.stride[0] * call_.stride[1] * part_ + kLanes, 0.f);
      std::vector<float> taps(call_.tap_count());
      for (int64_t plane = begin; plane < end; ++plane) {
        tap_weights(call_, plane / call_.groups, plane % call_.groups, taps.data());
        split(call_.x + plane * call_.in[0] * call_.in[1], parts.data());
        convolve(plane, parts.data(), taps.data());
      }
    });
  }

 protected:
  // Calls `run(begin, end)` for parts of the planes, on all threads.
  template <class Run>
  void each_part(Run run) const {
    const int64_t work = call_.positions() * call_.tap_count();
    const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(work, 1));
    at::parallel_for(0, call_.batch * call_.groups, grain, run);
  }

  // Where a position of the padded plane lies in the parts.
  int64_t place(int64_t y, int64_t x) const {
    const int64_t part = y % call_.stride[0] * call_.stride[1] + x % call_.stride[1];
    return part * part_ + y / call_.stride[0] * size_[1] + x / call_.stride[1];
  }

  void split(const float* map, float* parts) const {
    each_run([&](int64_t from, int64_t to, int64_t count) {
      const int64_t step = call_.stride[1];
      for (int64_t i = 0; i < count; ++i) parts[to + i] = map[from + i * step];
    });
  }

  // Calls `run(place in the map, place in the parts, count)` for what lies side by side in a part.
  template <class Run>
  void each_run(Run run) const {
    const int64_t step = call_.stride[1], pad = call_.padding[1];
    for (int64_t y = 0; y < call_.in[0]; ++y) {
      const int64_t line = y + call_.padding[0];
      if (line / call_.stride[0] >= size_[0]) break;
      for (int64_t phase = 0; phase < step; ++phase) {
        const int64_t first = ((phase - pad) % step + step) % step;  // column of the map
        const int64_t room = size_[1] - (pad + first) / step;
        const int64_t count = std::min(room, above(call_.in[1] - first, step));
        run(y * call_.in[1] + first, place(line, pad + first), count);
      }
    }
  }

  const Call& call_;
  int64_t size_[2], part_;  // of one part
  std::vector<int64_t> tap_at_;

 private:
  void convolve(int64_t plane, const float* parts, const float* taps) const {
    const float offset = call_.offset(plane / call_.groups, plane % call_.groups);
    float* y = call_.y + plane * call_.positions();
    float* const end = y + call_.positions();
    for (int64_t line = 0; line < call_.out[0]; ++line, parts += size_[1]) {
      switch (call_.tap_count()) {
        case 9: convolve_line<9>(parts, taps, offset, y + line * call_.out[1], end); break;
        case 25: convolve_line<25>(parts, taps, offset, y + line * call_.out[1], end); break;
        default: convolve_line<0>(parts, taps, offset, y + line * call_.out[1], end);
      }
    }
  }

  // `known` taps, or any number of them.
  template <int known>
  void convolve_line(const float* parts, const float* taps, float offset, float* y,
                     const float* end) const {
    const int64_t count = known ? known : call_.tap_count(), width = call_.out[1];
    const int64_t* at = tap_at_.data();
    for (int64_t i = 0; i < width; i += kLanes) {
      Vector sum = offset + Vector{};
#pragma GCC unroll 25
      for (int64_t t = 0; t < count; ++t) sum += taps[t] * load(parts + at[t] + i);
      if (y + i + kLanes <= end)
        store(y + i, sum);  // what is too much, the next line replaces
      else
        std::memcpy(y + i, &sum, std::min<int64_t>(kLanes, width - i) * sizeof(float));
    }
  }
};

// Channels last: vectors of channels, a few positions at a time.
class Rows {
 public:
  explicit Rows(const Call& call)
      : call_(call), table_(call.batch * call.tap_count() * call.groups) {
    const int64_t count = call.tap_count(), channels = call.groups;
    at::parallel_for(0, call.batch * channels, 256, [&](int64_t begin, int64_t end) {
      std::vector<float> taps(count);
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t sample = plane / channels, channel = plane % channels;
        tap_weights(call, sample, channel, taps.data());
        for (int64_t t = 0; t < count; ++t)
          table_[(sample * count + t) * channels + channel] = taps[t];
      }
    });
  }

  void run() const {
    const int64_t work = call_.out[1] * call_.groups * call_.tap_count();
    const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(work, 1));
    at::parallel_for(0, call_.batch * call_.out[0], grain, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line)
        convolve_line(line / call_.out[0], line % call_.out[0]);
    });
  }

 protected:
  struct Range {
    int64_t first, last;
  };

  // The taps along an axis that see the map from one position.
  Range seen(int axis, int64_t position) const {
    const int64_t start = position * call_.stride[axis] - call_.padding[axis];
    const int64_t step = call_.dilation[axis], taps = call_.taps[axis];
    const int64_t first = start < 0 ? std::min(taps, above(-start, step)) : 0;
    const int64_t room = call_.in[axis] - start;
    return {first, room > 0 ? std::clamp(above(room, step), first, taps) : first};
  }

  const float* at(int64_t sample, int64_t line, int64_t column, int64_t ky, int64_t kx) const {
    const int64_t y = line * call_.stride[0] - call_.padding[0] + ky * call_.dilation[0];
    const int64_t x = column * call_.stride[1] - call_.padding[1] + kx * call_.dilation[1];
    return call_.x + ((sample * call_.in[0] + y) * call_.in[1] + x) * call_.groups;
  }

  static constexpr int kSpots = 4;
  const Call& call_;
  std::vector<float> table_;  // (batch, taps, channels)

 private:
  void convolve_line(int64_t sample, int64_t line) const {
    const Range y = seen(0, line);
    int64_t i = 0;
    while (i < call_.out[1]) {
      const Range x = seen(1, i);
      const bool alike = i + kSpots <= call_.out[1] && x.first == 0 &&
                         seen(1, i + kSpots - 1).last == call_.taps[1];
      if (alike) convolve_spots<kSpots>(sample, line, i, y, x);
      else convolve_spots<1>(sample, line, i, y, x);
      i += alike ? kSpots : 1;
    }
  }

  // `spots` positions side by side, which see the map by the same taps.
  template <int spots>
  void convolve_spots(int64_t sample, int64_t line, int64_t column, Range y, Range x) const {
    const int64_t channels = call_.groups, step = call_.stride[1] * channels;
    const float* bias = call_.bias ? call_.bias + sample * call_.bias_step : nullptr;
    float* to = call_.y + ((sample * call_.out[0] + line) * call_.out[1] + column) * channels;
    each_lane(channels, [&](int64_t channel, auto lane) {
      using Lane = decltype(lane);
      Lane sums[spots];
      for (int s = 0; s < spots; ++s) sums[s] = bias ? load<Lane>(bias + channel) : Lane{};
      for (int64_t ky = y.first; ky < y.last; ++ky)
        for (int64_t kx = x.first; kx < x.last; ++kx) {
          const int64_t tap = (sample * call_.taps[0] + ky) * call_.taps[1] + kx;
          const Lane weight = load<Lane>(&table_[tap * channels] + channel);
          const float* from = at(sample, line, column, ky, kx) + channel;
          for (int s = 0; s < spots; ++s) sums[s] += weight * load<Lane>(from + s * step);
        }
      for (int s = 0; s < spots; ++s) store(to + s * channels + channel, sums[s]);
    });
  }
};

inline void depthwise(const Call& call) {
  if (call.channels_last) Rows(call).run();
  else Planes(call).run();
}

}  // namespace odconv
