// The compiled operations: float32, on a CPU. One file includes the others, as reading torch's
// headers takes most of the time of a build.

#include <optional>
#include <vector>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <torch/library.h>

#include "attend.h"
#include "call.h"
#include "depthwise.h"
#include "depthwise_gradients.h"
#include "gradients.h"
#include "packed.h"
#include "pointwise.h"
#include "row_gradients.h"
#include "tiles.h"

namespace odconv {
namespace {

void check(const char* name, const Optional& tensor, at::IntArrayRef sizes) {
  if (!tensor.has_value()) return;
  TORCH_CHECK(tensor->scalar_type() == at::kFloat && tensor->sizes() == sizes,
              "odconv::dynamic_conv: expected ", name, " of float32 and sizes ", sizes,
              ", received ", tensor->scalar_type(), " and ", tensor->sizes());
}

// The layout of the output: channels last where those of the map cannot lie first.
at::MemoryFormat layout_of(const at::Tensor& map) {
  const bool last = !map.is_contiguous() && map.is_contiguous(at::MemoryFormat::ChannelsLast);
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

// The arguments as the loops take them.
struct Arguments {
  const at::Tensor &map, &weight;
  const Optional &channel, &filter, &spatial, &kernel, &bias;
  at::IntArrayRef stride, padding, dilation;
  int64_t groups;

  void check_all() const {
    TORCH_CHECK(map.dim() == 4 && weight.dim() == 5 && weight.numel() > 0 && groups > 0 &&
                    weight.size(1) % groups == 0,
                "odconv::dynamic_conv: expected a map (batch, in, height, width) and kernels "
                "(kernel_num, out, in // groups, height, width), received ", map.sizes(), " and ",
                weight.sizes(), " with ", groups, " groups");
    const int64_t batch = map.size(0), outs = weight.size(1);
    check("map", map, {batch, weight.size(2) * groups, map.size(2), map.size(3)});
    check("weight", weight, weight.sizes());
    check("channel", channel, {batch, map.size(1), 1, 1});
    check("filter", filter, {batch, outs, 1, 1});
    check("spatial", spatial, {batch, 1, 1, weight.size(3), weight.size(4)});
    check("kernel", kernel, {batch, weight.size(0)});
    TORCH_CHECK(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
                "odconv::dynamic_conv: expected two steps, paddings and dilations");
    TORCH_CHECK(kernel.has_value() || weight.size(0) == 1,
                "odconv::dynamic_conv: expected what mixes ", weight.size(0),
                " kernels, received None");
    if (bias.has_value() && bias->dim() == 1) check("bias", bias, {outs});
    else check("bias", bias, {batch, outs});
  }

  // All but the pointers.
  Call geometry() const {
    Call call{};
    call.batch = map.size(0), call.groups = groups, call.kernels = weight.size(0);
    call.ins = map.size(1) / groups, call.outs = weight.size(1) / groups;
    call.bias_step = bias.has_value() && bias->dim() == 2 ? weight.size(1) : 0;
    for (int i = 0; i < 2; ++i) {
      call.stride[i] = stride[i], call.padding[i] = padding[i], call.dilation[i] = dilation[i];
      call.taps[i] = weight.size(3 + i), call.in[i] = map.size(2 + i);
      const int64_t reach = dilation[i] * (call.taps[i] - 1) + 1;
      const int64_t room = call.in[i] + 2 * padding[i] - reach;
      TORCH_CHECK(stride[i] > 0 && dilation[i] > 0 && padding[i] >= 0 && room >= 0,
                  "odconv::dynamic_conv: expected a map that kernels fit on, received ",
                  map.sizes(), " and ", weight.sizes());
      call.out[i] = room / stride[i] + 1;
    }
    return call;
  }
};

// The attentions and the bias, for as long as their pointers are used.
class Factors {
 public:
  Factors(const Arguments& given, Call& call) {
    kept_.reserve(5);
    call.channel = pointer(given.channel), call.filter = pointer(given.filter);
    call.spatial = pointer(given.spatial), call.mixing = pointer(given.kernel);
    call.bias = pointer(given.bias);
  }

 private:
  const float* pointer(const Optional& tensor) {
    if (!tensor.has_value()) return nullptr;
    kept_.push_back(tensor->contiguous());
    return kept_.back().const_data_ptr<float>();
  }

  std::vector<at::Tensor> kept_;
};

bool is_depthwise(const Call& call) {
  return call.ins == 1 && call.outs == 1 && call.groups > 1;
}

void run(const Arguments& given, Call call, const at::Tensor& y) {
  const bool depthwise_layer = is_depthwise(call);
  const at::MemoryFormat layout = layout_of(y);
  const bool last = layout == at::MemoryFormat::ChannelsLast;
  const bool small = call.ins * call.outs <= kSmall || (last && call.batch == 1);
  const bool product = call.pointwise() && call.groups == 1 && small;
  const bool as_it_lies = depthwise_layer || product;
  call.channels_last = as_it_lies && last;
  const at::Tensor map = given.map.contiguous(as_it_lies ? layout : at::MemoryFormat::Contiguous);
  const at::Tensor weight = given.weight.contiguous();
  const at::Tensor out = as_it_lies ? y : at::empty(y.sizes(), y.options());

  const Factors factors(given, call);
  call.x = map.const_data_ptr<float>(), call.bank = weight.const_data_ptr<float>();
  call.y = out.mutable_data_ptr<float>();
  if (depthwise_layer) depthwise(call);
  else if (product && Packed::suits(call)) Packed(call).run();
  else if (product) Pointwise(call, map, weight, out).run();
  else Tiles(call).run();
  if (!out.is_same(y)) y.copy_(out);
}

// Arrays for the gradients to the map, the bank, and the channel, filter, spatial and kernel
// attention.
std::vector<at::Tensor> shapes_of_gradients(const at::Tensor& map, const at::Tensor& bank) {
  const auto batch = map.sym_size(0), one = c10::SymInt(1);
  const auto of = [&](std::vector<c10::SymInt> sizes) {
    return at::empty_symint(sizes, map.options(), at::MemoryFormat::Contiguous);
  };
  return {at::empty_symint(map.sym_sizes(), map.options(), layout_of(map)),
          of(bank.sym_sizes().vec()),
          of({batch, map.sym_size(1), one, one}),
          of({batch, bank.sym_size(1), one, one}),
          of({batch, one, one, bank.sym_size(3), bank.sym_size(4)}),
          of({batch, bank.sym_size(0)})};
}

at::Tensor dynamic_conv(const at::Tensor& map, const at::Tensor& weight, const Optional& channel,
                        const Optional& filter, const Optional& spatial, const Optional& kernel,
                        const Optional& bias, at::IntArrayRef stride, at::IntArrayRef padding,
                        at::IntArrayRef dilation, int64_t groups) {
  const at::AutoDispatchBelowADInplaceOrView guard;  // the operations inside are nobody's business
  const Arguments given{map, weight, channel, filter, spatial, kernel, bias,
                        stride, padding, dilation, groups};
  given.check_all();
  const Call call = given.geometry();
  at::Tensor y = at::empty({call.batch, weight.size(1), call.out[0], call.out[1]}, map.options(),
                           layout_of(map));
  if (y.numel()) run(given, call, y);
  return y;
}

// Of depthwise and of pointwise layers: the gradients to all arguments but the bias, those of
// attentions that are not there as well. That of the map lies as the map does.
std::vector<at::Tensor> gradients(const at::Tensor& grad, const at::Tensor& map,
                                  const at::Tensor& bank, const Optional& channel,
                                  const Optional& filter, const Optional& spatial,
                                  const Optional& kernel, at::IntArrayRef stride,
                                  at::IntArrayRef padding, at::IntArrayRef dilation,
                                  int64_t groups) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  const Optional none;
  const Arguments given{map, bank, channel, filter, spatial, kernel, none,
                        stride, padding, dilation, groups};
  given.check_all();
  Call call = given.geometry();
  const bool product = call.pointwise() && call.groups == 1;
  TORCH_CHECK((is_depthwise(call) || product) && call.kernels <= kMost,
              "odconv::dynamic_conv_backward: expected a depthwise or a pointwise layer of at "
              "most ", kMost, " kernels, received ", bank.sizes(), " with ", groups, " groups");
  check("grad", grad, {call.batch, bank.size(1), call.out[0], call.out[1]});
  const at::MemoryFormat layout = layout_of(map);
  call.channels_last = layout == at::MemoryFormat::ChannelsLast;
  const at::Tensor slope = grad.contiguous(layout), x = map.contiguous(layout);
  const at::Tensor weight = bank.contiguous();
  const Factors factors(given, call);
  call.x = x.const_data_ptr<float>(), call.bank = weight.const_data_ptr<float>();

  std::vector<at::Tensor> found = shapes_of_gradients(x, weight);
  Gradients to;
  float** const places[] = {&to.x, &to.bank, &to.channel, &to.filter, &to.spatial, &to.mixing};
  for (size_t i = 0; i < found.size(); ++i) *places[i] = found[i].mutable_data_ptr<float>();
  if (product) {
    Pointwise(call, found[0], weight, slope).run_back(x, to);
  } else {
    const at::Tensor slopes = at::empty({call.batch, call.groups, call.tap_count()}, x.options());
    float* const of_taps = slopes.mutable_data_ptr<float>();
    const float* const from = slope.const_data_ptr<float>();
    if (call.channels_last) RowGradients(call, from, to.x, of_taps).run();
    else PlaneGradients(call).run(from, to.x, of_taps);
    Spread(call, of_taps, to).run();
  }
  return found;
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
  return at::empty_symint(sizes, map.options(), layout_of(map));
}

std::vector<at::Tensor> shapes_of_all(const at::Tensor&, const at::Tensor& map,
                                      const at::Tensor& bank, const Optional&, const Optional&,
                                      const Optional&, const Optional&, at::IntArrayRef,
                                      at::IntArrayRef, at::IntArrayRef, int64_t) {
  return shapes_of_gradients(map, bank);
}

}  // namespace
}  // namespace odconv

TORCH_LIBRARY_FRAGMENT(odconv, library) {
  library.def(
      "dynamic_conv(Tensor x, Tensor weight, Tensor? channel, Tensor? filter, Tensor? spatial, "
      "Tensor? kernel, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, int groups) "
      "-> Tensor");
  library.def(
      "dynamic_conv_backward(Tensor grad, Tensor x, Tensor weight, Tensor? channel, "
      "Tensor? filter, Tensor? spatial, Tensor? kernel, int[2] stride, int[2] padding, "
      "int[2] dilation, int groups) -> Tensor[]");
  library.def(
      "attend(Tensor x, Tensor? squeeze, Tensor? offset, Tensor?[] norm, float eps, "
      "Tensor[] weights, Tensor?[] biases, int[] widths, int[] together, Tensor? temperature) "
      "-> Tensor[]");
}

TORCH_LIBRARY_IMPL(odconv, CPU, library) {
  library.impl("dynamic_conv", odconv::dynamic_conv);
  library.impl("dynamic_conv_backward", odconv::gradients);
  library.impl("attend", odconv::attend);
}

TORCH_LIBRARY_IMPL(odconv, Meta, library) {
  library.impl("dynamic_conv", odconv::shape_of);
  library.impl("dynamic_conv_backward", odconv::shapes_of_all);
  library.impl("attend", odconv::shapes_of_attend);
}
