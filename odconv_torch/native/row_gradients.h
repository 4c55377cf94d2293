// Gradients of the convolution of each channel with a kernel of its own, channels last: vectors of
// channels, as in the convolution.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>

#include "call.h"
#include "depthwise.h"
#include "vectors.h"

namespace odconv {

class RowGradients : Rows {
 public:
  // From the gradient of the output, (batch, *map, groups), that of the input to `to_x`, and those
  // of the kernels to `slopes`, (batch, groups, taps).
  RowGradients(const Call& call, const float* grad, float* to_x, float* slopes)
      : Rows(call), grad_(grad), to_x_(to_x), slopes_(slopes) {
    for (int axis = 0; axis < 2; ++axis)
      for (int64_t i = 0; i < call.in[axis]; ++i) seers_[axis].push_back(seers(axis, i));
    const auto whole = [&](int64_t i) { return is_whole(1, seen(1, i)); };
    while (inner_.first < call.out[1] && !whole(inner_.first)) ++inner_.first;
    for (inner_.last = inner_.first; inner_.last < call.out[1] && whole(inner_.last);)
      ++inner_.last;
  }

  // A part of the channels of a sample at a time, whose sums nobody else adds to.
  void run() const {
    const int64_t channels = call_.groups, parts = above(channels, kPart);
    const int64_t work = 2 * call_.positions() * call_.tap_count() * std::min(channels, kPart);
    const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(work, 1));
    at::parallel_for(0, call_.batch * parts, grain, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        const int64_t sample = part / parts, first = part % parts * kPart;
        const int64_t count = std::min(kPart, channels - first);
        to_taps(sample, first, count);
        to_map(sample, first, count);
      }
    });
  }

 private:
  // A tap that sees a position of the map, and the position of the output that it is for.
  struct Seer {
    int64_t tap, at;
  };
  using Seers = std::vector<Seer>;

  Seers seers(int axis, int64_t position) const {
    Seers found;
    for (int64_t tap = 0; tap < call_.taps[axis]; ++tap) {
      const int64_t start = position + call_.padding[axis] - tap * call_.dilation[axis];
      const int64_t at = start / call_.stride[axis];
      if (start >= 0 && start % call_.stride[axis] == 0 && at < call_.out[axis])
        found.push_back({tap, at});
    }
    return found;
  }

  bool is_whole(int axis, Range range) const {
    return range.first == 0 && range.last == call_.taps[axis];
  }

  // A line of the output, for vectors of channels from one on.
  struct Line {
    int64_t sample, at, channel;
    float* sums;    // of the first tap; those of the others lie `width` apart
    int64_t width;
  };

  // The gradients of the kernels.
  void to_taps(int64_t sample, int64_t first, int64_t count) const {
    std::vector<float> sums(call_.tap_count() * count);
    for (int64_t line = 0; line < call_.out[0]; ++line)
      each_lane(count, [&](int64_t i, auto lane) {
        add_line<decltype(lane)>({sample, line, first + i, &sums[i], count});
      });
    float* to = slopes_ + (sample * call_.groups + first) * call_.tap_count();
    for (int64_t i = 0; i < count; ++i)
      for (int64_t t = 0; t < call_.tap_count(); ++t) *to++ = sums[t * count + i];
  }

  template <class Lane>
  void add_line(const Line& line) const {
    const Range y = seen(0, line.at);
    const int64_t wide = call_.taps[1], inside = inner_.last - inner_.first;
    if (inside && call_.taps[0] == 3 && wide == 3 && is_whole(0, y)) {
      add<3, 3, Lane>(line, inner_.first, inside, 0, 0);
    } else if (inside) {
      for (int64_t ky = y.first; ky < y.last; ++ky) {
        if (wide == 3) add<1, 3, Lane>(line, inner_.first, inside, ky, 0);
        else if (wide == 5) add<1, 5, Lane>(line, inner_.first, inside, ky, 0);
        else
          for (int64_t kx = 0; kx < wide; ++kx)
            add<1, 1, Lane>(line, inner_.first, inside, ky, kx);
      }
    }
    for (int64_t column = 0; column < inner_.first; ++column) add_column<Lane>(line, column, y);
    for (int64_t column = inner_.last; column < call_.out[1]; ++column)
      add_column<Lane>(line, column, y);
  }

  // A column from which some taps see no map.
  template <class Lane>
  void add_column(const Line& line, int64_t column, Range y) const {
    const Range x = seen(1, column);
    for (int64_t ky = y.first; ky < y.last; ++ky)
      for (int64_t kx = x.first; kx < x.last; ++kx) add<1, 1, Lane>(line, column, 1, ky, kx);
  }

  // Products of the gradient of some columns with what `high` x `wide` taps, the first of which is
  // (ky, kx), see from them.
  template <int high, int wide, class Lane>
  void add(const Line& line, int64_t column, int64_t columns, int64_t ky, int64_t kx) const {
    const int64_t channels = call_.groups, step = call_.stride[1] * channels;
    const int64_t down = call_.dilation[0] * call_.in[1] * channels;
    const int64_t right = call_.dilation[1] * channels;
    const float* slope = slope_at(line.sample, line.at, column) + line.channel;
    const float* map = at(line.sample, line.at, column, ky, kx) + line.channel;
    Lane own[high * wide] = {};
    for (int64_t i = 0; i < columns; ++i, slope += channels, map += step) {
      const Lane of_column = load<Lane>(slope);
#pragma GCC unroll 3
      for (int y = 0; y < high; ++y)
#pragma GCC unroll 5
        for (int x = 0; x < wide; ++x)
          own[y * wide + x] += of_column * load<Lane>(map + y * down + x * right);
    }
    float* to = line.sums + (ky * call_.taps[1] + kx) * line.width;
    for (int t = 0; t < high * wide; ++t, to += line.width) store(to, load<Lane>(to) + own[t]);
  }

  // The gradient of the map: of the taps that see it.
  void to_map(int64_t sample, int64_t first, int64_t count) const {
    const int64_t step = call_.stride[1];
    for (int64_t line = 0; line < call_.in[0]; ++line)
      for (int64_t phase = 0; phase < std::min(step, call_.in[1]); ++phase)
        for (int64_t column = phase; column < call_.in[1];) {
          const bool several = alike(column);
          if (several) gather<kSpots>(sample, line, column, first, count);
          else gather<1>(sample, line, column, first, count);
          column += (several ? kSpots : 1) * step;
        }
  }

  // Whether the same taps see kSpots columns, a step of the output apart.
  bool alike(int64_t column) const {
    const Seers& own = seers_[1][column];
    for (int s = 1; s < kSpots; ++s) {
      column += call_.stride[1];
      if (column >= call_.in[1] || seers_[1][column].size() != own.size()) return false;
      if (!own.empty() && seers_[1][column][0].tap != own[0].tap) return false;
    }
    return true;
  }

  template <int spots>
  void gather(int64_t sample, int64_t line, int64_t column, int64_t first, int64_t count) const {
    const int64_t channels = call_.groups, step = call_.stride[1] * channels;
    float* to = to_x_ + ((sample * call_.in[0] + line) * call_.in[1] + column) * channels + first;
    each_lane(count, [&](int64_t i, auto lane) {
      using Lane = decltype(lane);
      Lane sums[spots] = {};
      for (const Seer& y : seers_[0][line])
        for (const Seer& x : seers_[1][column]) {
          const int64_t tap = (sample * call_.taps[0] + y.tap) * call_.taps[1] + x.tap;
          const Lane weight = load<Lane>(&table_[tap * channels] + first + i);
          const float* from = slope_at(sample, y.at, x.at) + first + i;
          for (int s = 0; s < spots; ++s) sums[s] += weight * load<Lane>(from + s * channels);
        }
      for (int s = 0; s < spots; ++s) store(to + s * step + i, sums[s]);
    });
  }

  const float* slope_at(int64_t sample, int64_t line, int64_t column) const {
    return grad_ + ((sample * call_.out[0] + line) * call_.out[1] + column) * call_.groups;
  }

  static constexpr int64_t kPart = 4 * kLanes;  // channels
  const float* const grad_;
  float *const to_x_, *const slopes_;
  std::vector<Seers> seers_[2];  // of each line and each column
  Range inner_{};                // columns of the output from which all taps see the map
};

}  // namespace odconv
