// Convolutions whose kernels take more memory than the maps: a tile of them is mixed in the cache,
// with the channel and spatial attentions in it, meets the patches of its sample, and its place is
// used for the next one. The bank is read from memory once.

#pragma once

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "call.h"
#include "vectors.h"

namespace odconv {

#ifdef __AVX512F__
constexpr int kRows = 8;  // 24 sums of a product and their factors fit 32 registers
#else
constexpr int kRows = 4;  // 12 sums, 16 registers
#endif
constexpr int kVectors = 3;          // of positions of one product, at most
constexpr int64_t kTileRows = 32;    // of the kernels that are mixed at a time ...
constexpr int64_t kDepth = 1024;     // ... and elements of each row: 128 KiB
constexpr int64_t kStep = kDepth + 16;  // between rows: a power of two would share few cache sets
constexpr int64_t kPatches = 1 << 20;  // elements that are kept at a time, about: 4 MiB

// kRows rows, `step` apart, with a panel (depth, vectors * kLanes), to `out` (kRows, same).
template <int vectors>
void product(const float* rows, int64_t step, const float* panel, int64_t depth, float* out) {
  Vector sums[kRows][vectors] = {};
  for (int64_t d = 0; d < depth; ++d, panel += vectors * kLanes) {
    Vector patch[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) patch[v] = load(panel + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sums[r][v] += rows[r * step + d] * patch[v];
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < vectors; ++v) store(out + (r * vectors + v) * kLanes, sums[r][v]);
}
constexpr void (*kProducts[])(const float*, int64_t, const float*, int64_t, float*) = {
    product<1>, product<2>, product<3>};

// kRows rows with the patch of one position, whose elements lie side by side.
inline void dots(const float* rows, const float* patch, int64_t depth, float* out) {
  Vector sums[kRows] = {};
  int64_t d = 0;
  for (; d + kLanes <= depth; d += kLanes) {
    const Vector part = load(patch + d);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) sums[r] += load(rows + r * kStep + d) * part;
  }
  for (int r = 0; r < kRows; ++r) {
    out[r] = total(sums[r]);
    for (int64_t rest = d; rest < depth; ++rest) out[r] += rows[r * kStep + rest] * patch[rest];
  }
}

// A panel of positions, or (of no vectors) the positions that are left, one by one.
struct Panel {
  int64_t first, count;
  int vectors;
};

inline std::vector<Panel> panels_of(int64_t positions) {
  const int64_t whole = positions / kLanes, panels = above(whole, kVectors);
  std::vector<Panel> found;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t begin = whole * i / panels, end = whole * (i + 1) / panels;
    found.push_back({begin * kLanes, (end - begin) * kLanes, int(end - begin)});
  }
  if (positions % kLanes) found.push_back({whole * kLanes, positions % kLanes, 0});
  return found;
}

class Tiles : Call {
 public:
  explicit Tiles(const Call& call)
      : Call(call), most(std::min(kDepth, depth())), panels(panels_of(positions())) {}

  void run() {
    const int64_t chunk = std::clamp<int64_t>(kPatches / (groups * most * positions()), 1, batch);
    const int64_t count = above(outs, kTileRows), high = above(above(outs, count), kRows) * kRows;
    const at::Tensor buffer = at::empty({chunk * groups * most * (positions() + 1)}, at::kFloat);
    patches = buffer.mutable_data_ptr<float>();
    scales = patches + chunk * groups * most * positions();
    for (int64_t first = 0; first < batch; first += chunk) {
      const int64_t samples = std::min(chunk, batch - first);
      // Few tiles are shared among threads sample by sample.
      const int64_t parts = std::min(samples, above(4 * at::get_num_threads(), groups * count));
      for (int64_t start = 0; start < depth(); start += kDepth) {
        const int64_t deep = std::min(kDepth, depth() - start);
        at::parallel_for(0, samples * groups * deep, 64, [&](int64_t begin, int64_t end) {
          std::vector<float> row(positions());
          for (int64_t i = begin; i < end; ++i) {
            const int64_t set = i / deep;
            pack(first + set / groups, set % groups, set, start, i % deep, row.data());
          }
        });
        at::parallel_for(0, groups * count * parts, 1, [&](int64_t begin, int64_t end) {
          std::vector<float> tile(high * kStep);
          for (int64_t i = begin; i < end; ++i) {
            const int64_t part = i % parts, group = i / parts / count;
            const int64_t top = i / parts % count * high;
            for (int64_t s = samples * part / parts; s < samples * (part + 1) / parts; ++s)
              run_tile(tile.data(), first + s, group, s * groups + group, top,
                       std::min(high, outs - top), start, deep);
          }
        });
      }
    }
  }

 private:
  // What tap (ky, kx) sees of a map, at all positions: to `row`.
  void see(const float* map, int64_t ky, int64_t kx, float* row) const {
    const int64_t step = stride[1], offset = kx * dilation[1] - padding[1];
    // Columns from `first` to `last` look at the map: 0 <= column * step + offset < width.
    const int64_t last = std::clamp<int64_t>(above(in[1] - offset, step), 0, out[1]);
    const int64_t first = std::min(last, offset < 0 ? above(-offset, step) : 0);
    for (int64_t line = 0; line < out[0]; ++line, row += out[1]) {
      const int64_t from = line * stride[0] + ky * dilation[0] - padding[0];
      const bool inside = from >= 0 && from < in[0];
      const int64_t begin = inside ? first : 0, end = inside ? last : 0;
      const float* seen = map + from * in[1] + offset;
      std::fill(row, row + begin, 0.f);
      if (step == 1)
        for (int64_t i = begin; i < end; ++i) row[i] = seen[i];
      else
        for (int64_t i = begin; i < end; ++i) row[i] = seen[i * step];
      std::fill(row + end, row + out[1], 0.f);
    }
  }

  // A set is a group of a sample, counted from the first sample whose patches are kept.

  // Element `d` of the patches of a sample's group, and what scales it.
  void pack(int64_t sample, int64_t group, int64_t set, int64_t start, int64_t d,
            float* row) const {
    const int64_t size = tap_count(), tap = (start + d) % size;
    const int64_t plane = (sample * groups + group) * ins + (start + d) / size;
    scales[set * most + d] =
        (channel ? channel[plane] : 1.f) * (spatial ? spatial[sample * size + tap] : 1.f);
    const float *map = x + plane * in[0] * in[1], *seen = pointwise() ? map : row;
    if (!pointwise()) see(map, tap / taps[1], tap % taps[1], row);
    for (const Panel& panel : panels) {
      float* to = patches + (set * positions() + panel.first) * most;
      if (panel.vectors)
        std::copy_n(seen + panel.first, panel.count, to + d * panel.count);
      else
        for (int64_t i = 0; i < panel.count; ++i) to[i * most + d] = seen[panel.first + i];
    }
  }

  // Rows of one tile, kRows at a time, with a panel of their sample: added to the output.
  void multiply(const float* tile, int64_t sample, int64_t set, int64_t row, int64_t count,
                int64_t start, int64_t deep, const Panel& panel) const {
    const float* patch = patches + (set * positions() + panel.first) * most;
    float part[kRows * kVectors * kLanes], dot[kRows];
    if (panel.vectors) kProducts[panel.vectors - 1](tile, kStep, patch, deep, part);
    for (int64_t i = 0; i < (panel.vectors ? 0 : panel.count); ++i) {
      dots(tile, patch + i * most, deep, dot);
      for (int r = 0; r < kRows; ++r) part[r * panel.count + i] = dot[r];
    }
    for (int64_t r = 0; r < count; ++r) {
      const int64_t plane = sample * groups * outs + row + r;
      float* to = y + plane * positions() + panel.first;
      const float* from = part + r * panel.count;
      if (start)
        for (int64_t i = 0; i < panel.count; ++i) to[i] += from[i];
      else
        std::copy_n(from, panel.count, to);
      if (start + deep < depth() || !(filter || bias)) continue;
      const float scale = factor(plane), shift = offset(sample, row + r);
      for (int64_t i = 0; i < panel.count; ++i) to[i] = to[i] * scale + shift;
    }
  }

  // Rows `top` to `top + height` of the kernels, elements `start` to `start + deep`, of a sample.
  void run_tile(float* tile, int64_t sample, int64_t group, int64_t set, int64_t top,
                int64_t height, int64_t start, int64_t deep) const {
    const int64_t row = group * outs + top;
    for (int64_t r = 0; r < height; ++r)
      mix(bank + (row + r) * depth() + start, groups * outs * depth(), weights(sample), kernels,
          scales + set * most, deep, tile + r * kStep);
    for (const Panel& panel : panels)
      for (int64_t r = 0; r < height; r += kRows)
        multiply(tile + r * kStep, sample, set, row + r, std::min<int64_t>(kRows, height - r),
                 start, deep, panel);
  }

  const int64_t most;  // elements of the patches at a time
  const std::vector<Panel> panels;
  float *patches, *scales;
};

}  // namespace odconv
