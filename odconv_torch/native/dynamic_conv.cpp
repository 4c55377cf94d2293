// The dynamic convolution of inference as one operation: float32, two axes, on a CPU.
//
// The kernels of all samples of a wide layer take more memory than the maps. Here a tile of them is
// mixed in the cache, with the channel and spatial attentions in it, meets the patches of its
// sample, and its place is used for the next one. The bank is read from memory once.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

namespace {

#ifdef __AVX512F__
constexpr int kLanes = 16, kRows = 8;  // 24 sums of a product and their factors fit 32 registers
#else
constexpr int kLanes = 8, kRows = 4;  // 12 sums, 16 registers
#endif
constexpr int kVectors = 3;          // of positions of one product, at most
constexpr int64_t kTileRows = 32;    // of the kernels that are mixed at a time ...
constexpr int64_t kDepth = 1024;     // ... and elements of each row: 128 KiB
constexpr int64_t kStep = kDepth + 16;  // between rows: a power of two would share few cache sets
constexpr int64_t kPatches = 1 << 20;  // elements that are kept at a time, about: 4 MiB

// Both GCC and Clang have such vectors, and split them where the processor has shorter ones.
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));

inline Vector load(const float* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

inline void store(float* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }

inline int64_t above(int64_t a, int64_t b) { return (a + b - 1) / b; }

// kRows rows of kernels with a panel of patches (depth, vectors * kLanes), to `out` (kRows, same).
template <int vectors>
void product(const float* rows, const float* panel, int64_t depth, float* out) {
  Vector sums[kRows][vectors] = {};
  for (int64_t d = 0; d < depth; ++d, panel += vectors * kLanes) {
    Vector patch[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) patch[v] = load(panel + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sums[r][v] += rows[r * kStep + d] * patch[v];
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < vectors; ++v) store(out + (r * vectors + v) * kLanes, sums[r][v]);
}
constexpr void (*kProducts[])(const float*, const float*, int64_t, float*) = {
    product<1>, product<2>, product<3>};

// kRows rows with the patch of one position, whose elements lie side by side.
void dots(const float* rows, const float* patch, int64_t depth, float* out) {
  Vector sums[kRows] = {};
  int64_t d = 0;
  for (; d + kLanes <= depth; d += kLanes) {
    const Vector part = load(patch + d);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) sums[r] += load(rows + r * kStep + d) * part;
  }
  for (int r = 0; r < kRows; ++r) {
    out[r] = 0.f;
    for (int lane = 0; lane < kLanes; ++lane) out[r] += sums[r][lane];
    for (int64_t rest = d; rest < depth; ++rest) out[r] += rows[r * kStep + rest] * patch[rest];
  }
}

// (sum_k mixing[k] * bank[k]) * scale of `count` elements of a row; kernels lie `size` apart.
void mix(const float* bank, int64_t size, const float* mixing, int64_t kernels, const float* scale,
         int64_t count, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Vector sum = mixing[0] * load(bank + i);
    for (int64_t k = 1; k < kernels; ++k) sum += mixing[k] * load(bank + k * size + i);
    store(out + i, sum * load(scale + i));
  }
  for (; i < count; ++i) {
    float sum = mixing[0] * bank[i];
    for (int64_t k = 1; k < kernels; ++k) sum += mixing[k] * bank[k * size + i];
    out[i] = sum * scale[i];
  }
}

// A panel of positions, or (of no vectors) the positions that are left, one by one.
struct Panel {
  int64_t first, count;
  int vectors;
};

std::vector<Panel> panels_of(int64_t positions) {
  const int64_t whole = positions / kLanes, panels = above(whole, kVectors);
  std::vector<Panel> found;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t begin = whole * i / panels, end = whole * (i + 1) / panels;
    found.push_back({begin * kLanes, (end - begin) * kLanes, int(end - begin)});
  }
  if (positions % kLanes) found.push_back({whole * kLanes, positions % kLanes, 0});
  return found;
}

struct Conv {
  const float *x, *bank, *channel, *filter, *spatial, *mixing, *bias;
  float *y, *patches, *scales;
  int64_t batch, groups, ins, outs, kernels, bias_step;  // ins and outs: of a group
  int64_t taps[2], stride[2], padding[2], dilation[2], in[2], out[2];
  int64_t depth, positions, most;  // most: elements of the patches at a time
  bool pointwise;  // each position of the output sees the same one of the map, and no other
  std::vector<Panel> panels;

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
  void pack(int64_t sample, int64_t group, int64_t set, int64_t start, int64_t d, float* row) const {
    const int64_t size = taps[0] * taps[1], tap = (start + d) % size;
    const int64_t plane = (sample * groups + group) * ins + (start + d) / size;
    scales[set * most + d] =
        (channel ? channel[plane] : 1.f) * (spatial ? spatial[sample * size + tap] : 1.f);
    const float *map = x + plane * in[0] * in[1], *seen = pointwise ? map : row;
    if (!pointwise) see(map, tap / taps[1], tap % taps[1], row);
    for (const Panel& panel : panels) {
      float* to = patches + (set * positions + panel.first) * most;
      if (panel.vectors)
        std::copy_n(seen + panel.first, panel.count, to + d * panel.count);
      else
        for (int64_t i = 0; i < panel.count; ++i) to[i * most + d] = seen[panel.first + i];
    }
  }

  // Rows of one tile, kRows at a time, with a panel of their sample: added to the output.
  void multiply(const float* tile, int64_t sample, int64_t set, int64_t row, int64_t count,
                int64_t start, int64_t deep, const Panel& panel) const {
    const float* patch = patches + (set * positions + panel.first) * most;
    float part[kRows * kVectors * kLanes], dot[kRows];
    if (panel.vectors) kProducts[panel.vectors - 1](tile, patch, deep, part);
    for (int64_t i = 0; i < (panel.vectors ? 0 : panel.count); ++i) {
      dots(tile, patch + i * most, deep, dot);
      for (int r = 0; r < kRows; ++r) part[r * panel.count + i] = dot[r];
    }
    for (int64_t r = 0; r < count; ++r) {
      const int64_t plane = sample * groups * outs + row + r;
      float* to = y + plane * positions + panel.first;
      const float* from = part + r * panel.count;
      if (start)
        for (int64_t i = 0; i < panel.count; ++i) to[i] += from[i];
      else
        std::copy_n(from, panel.count, to);
      if (start + deep < depth || !(filter || bias)) continue;
      const float scale = filter ? filter[plane] : 1.f;
      const float offset = bias ? bias[sample * bias_step + row + r] : 0.f;
      for (int64_t i = 0; i < panel.count; ++i) to[i] = to[i] * scale + offset;
    }
  }

  // Rows `top` to `top + height` of the kernels, elements `start` to `start + deep`, of a sample.
  void run_tile(float* tile, int64_t sample, int64_t group, int64_t set, int64_t top,
                int64_t height, int64_t start, int64_t deep) const {
    const float one = 1.f, *weights = mixing ? mixing + sample * kernels : &one;
    const int64_t row = group * outs + top;
    for (int64_t r = 0; r < height; ++r)
      mix(bank + (row + r) * depth + start, groups * outs * depth, weights, kernels,
          scales + set * most, deep, tile + r * kStep);
    for (const Panel& panel : panels)
      for (int64_t r = 0; r < height; r += kRows)
        multiply(tile + r * kStep, sample, set, row + r, std::min<int64_t>(kRows, height - r),
                 start, deep, panel);
  }

  void run(float* to) {
    const int64_t chunk = std::clamp<int64_t>(kPatches / (groups * most * positions), 1, batch);
    const int64_t count = above(outs, kTileRows), high = above(above(outs, count), kRows) * kRows;
    const at::Tensor buffer = at::empty({chunk * groups * most * (positions + 1)}, at::kFloat);
    y = to, patches = buffer.mutable_data_ptr<float>();
    scales = patches + chunk * groups * most * positions;
    for (int64_t first = 0; first < batch; first += chunk) {
      const int64_t samples = std::min(chunk, batch - first);
      // Few tiles are shared among threads sample by sample.
      const int64_t parts = std::min(samples, above(4 * at::get_num_threads(), groups * count));
      for (int64_t start = 0; start < depth; start += kDepth) {
        const int64_t deep = std::min(kDepth, depth - start);
        at::parallel_for(0, samples * groups * deep, 64, [&](int64_t begin, int64_t end) {
          std::vector<float> row(positions);
          for (int64_t i = begin; i < end; ++i) {
            const int64_t set = i / deep;
            pack(first + set / groups, set % groups, set, start, i % deep, row.data());
          }
        });
        at::parallel_for(0, groups * count * parts, 1, [&](int64_t begin, int64_t end) {
          std::vector<float> tile(high * kStep);
          for (int64_t i = begin; i < end; ++i) {
            const int64_t part = i % parts, group = i / parts / count, top = i / parts % count * high;
            for (int64_t s = samples * part / parts; s < samples * (part + 1) / parts; ++s)
              run_tile(tile.data(), first + s, group, s * groups + group, top,
                       std::min(high, outs - top), start, deep);
          }
        });
      }
    }
  }
};

using Optional = std::optional<at::Tensor>;

void check(const char* name, const Optional& tensor, at::IntArrayRef sizes) {
  if (!tensor.has_value()) return;
  TORCH_CHECK(tensor->scalar_type() == at::kFloat && tensor->sizes() == sizes,
              "odconv::dynamic_conv: expected ", name, " of float32 and sizes ", sizes,
              ", received ", tensor->scalar_type(), " and ", tensor->sizes());
}

at::Tensor dynamic_conv(const at::Tensor& map, const at::Tensor& weight, const Optional& channel,
                        const Optional& filter, const Optional& spatial, const Optional& kernel,
                        const Optional& bias, at::IntArrayRef stride, at::IntArrayRef padding,
                        at::IntArrayRef dilation, int64_t groups) {
  TORCH_CHECK(map.dim() == 4 && weight.dim() == 5 && weight.numel() > 0 && groups > 0 &&
                  weight.size(1) % groups == 0,
              "odconv::dynamic_conv: expected a map (batch, in, height, width) and kernels "
              "(kernel_num, out, in // groups, height, width), received ", map.sizes(), " and ",
              weight.sizes(), " with ", groups, " groups");
  const int64_t batch = map.size(0), ins = map.size(1), kernels = weight.size(0);
  const int64_t outs = weight.size(1), height = weight.size(3), width = weight.size(4);
  check("map", map, {batch, weight.size(2) * groups, map.size(2), map.size(3)});
  check("weight", weight, weight.sizes());
  check("channel", channel, {batch, ins, 1, 1});
  check("filter", filter, {batch, outs, 1, 1});
  check("spatial", spatial, {batch, 1, 1, height, width});
  check("kernel", kernel, {batch, kernels});
  TORCH_CHECK(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
              "odconv::dynamic_conv: expected two steps, paddings and dilations");
  TORCH_CHECK(kernel.has_value() || kernels == 1,
              "odconv::dynamic_conv: expected what mixes ", kernels, " kernels, received None");
  if (bias.has_value() && bias->dim() == 1) check("bias", bias, {outs});
  else check("bias", bias, {batch, outs});

  Conv conv;
  std::vector<at::Tensor> kept;  // contiguous ones
  const auto pointer = [&](const Optional& tensor) -> const float* {
    if (!tensor.has_value()) return nullptr;
    kept.push_back(tensor->contiguous());
    return kept.back().const_data_ptr<float>();
  };
  conv.x = pointer(map), conv.bank = pointer(weight), conv.bias = pointer(bias);
  conv.channel = pointer(channel), conv.filter = pointer(filter);
  conv.spatial = pointer(spatial), conv.mixing = pointer(kernel);
  conv.batch = batch, conv.groups = groups, conv.kernels = kernels;
  conv.ins = ins / groups, conv.outs = outs / groups;
  conv.bias_step = bias.has_value() && bias->dim() == 2 ? outs : 0;
  for (int i = 0; i < 2; ++i) {
    conv.stride[i] = stride[i], conv.padding[i] = padding[i], conv.dilation[i] = dilation[i];
    conv.taps[i] = weight.size(3 + i), conv.in[i] = map.size(2 + i);
    const int64_t reach = dilation[i] * (conv.taps[i] - 1) + 1;
    const int64_t room = conv.in[i] + 2 * padding[i] - reach;
    TORCH_CHECK(stride[i] > 0 && dilation[i] > 0 && padding[i] >= 0 && room >= 0,
                "odconv::dynamic_conv: expected a map that kernels fit on, received ", map.sizes(),
                " and ", weight.sizes());
    conv.out[i] = room / stride[i] + 1;
  }
  conv.pointwise = height * width == 1 && stride[0] * stride[1] == 1 && !(padding[0] || padding[1]);
  conv.depth = conv.ins * height * width, conv.most = std::min(kDepth, conv.depth);
  conv.positions = conv.out[0] * conv.out[1], conv.panels = panels_of(conv.positions);
  at::Tensor y = at::empty({batch, outs, conv.out[0], conv.out[1]}, map.options());
  if (y.numel()) conv.run(y.mutable_data_ptr<float>());
  return y;
}

// The shape alone, for graphs that are recorded.
at::Tensor shape_of(const at::Tensor& map, const at::Tensor& weight, const Optional&,
                    const Optional&, const Optional&, const Optional&, const Optional&,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    int64_t) {
  std::vector<c10::SymInt> sizes{map.sym_size(0), weight.sym_size(1)};
  for (int i = 0; i < 2; ++i) {
    const c10::SymInt reach = (weight.sym_size(3 + i) - 1) * dilation[i] + 1;
    sizes.push_back((map.sym_size(2 + i) + 2 * padding[i] - reach) / stride[i] + 1);
  }
  return at::empty_symint(sizes, map.options());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(odconv, library) {
  library.def(
      "dynamic_conv(Tensor x, Tensor weight, Tensor? channel, Tensor? filter, Tensor? spatial, "
      "Tensor? kernel, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, int groups) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(odconv, CPU, library) { library.impl("dynamic_conv", dynamic_conv); }
TORCH_LIBRARY_IMPL(odconv, Meta, library) { library.impl("dynamic_conv", shape_of); }
