#include "nn/gpu.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>
#include <optional>

#include "nn/group_norm.h"

namespace sd::gpu {
namespace {

struct Registered {
  std::atomic<const cuda::Backend*> backend = nullptr;
  std::atomic<c10::DeviceType> device = at::kCUDA;
};
Registered registered;

constexpr auto kLast = at::MemoryFormat::ChannelsLast;
// One thread has 16 bytes of channels, and a block at most 1024 threads.
constexpr int64_t kMostVectors = 1024;

cuda::Type type_of(const torch::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kHalf:
      return cuda::Type::kHalf;
    case at::kBFloat16:
      return cuda::Type::kBFloat16;
    default:
      return cuda::Type::kFloat;
  }
}

bool has_type(const torch::Tensor& x) {
  const auto type = x.scalar_type();
  return type == at::kHalf || type == at::kBFloat16 || type == at::kFloat;
}

/// The stream on which LibTorch works on a GPU now; nothing elsewhere.
void* stream_of(const torch::Tensor& x) {
  if (!x.is_cuda()) return nullptr;
  const c10::impl::VirtualGuardImpl device(x.device().type());
  return device.getStream(x.device()).native_handle();
}

/// Kernels start on the device that is chosen, and it must be the stream's.
class OnDeviceOf {
 public:
  explicit OnDeviceOf(const torch::Tensor& x) {
    if (x.is_cuda()) guard_.emplace(x.device());
  }

 private:
  std::optional<c10::DeviceGuard> guard_;
};

/// Where a tensor's values lie; nowhere on the meta device, on which shapes are checked.
const void* read(const torch::Tensor& x) { return x.is_meta() ? nullptr : x.const_data_ptr(); }
void* write(torch::Tensor& x) { return x.is_meta() ? nullptr : x.mutable_data_ptr(); }

/// Kernels read 16 bytes at a time: a slice may begin anywhere.
torch::Tensor aligned(const torch::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(read(x)) % 16 == 0 ? x : x.clone();
}

/// A parameter as the kernels read it.
torch::Tensor channels_of(const torch::Tensor& values, const torch::Tensor& x) {
  return aligned(values.to(x.scalar_type()).contiguous());
}

cuda::Maps maps_of(const torch::Tensor& x) {
  if (x.dim() == 4) return {type_of(x), x.size(0), x.size(2) * x.size(3), x.size(1)};
  return {type_of(x), 1, x.numel() / x.size(-1), x.size(-1)};
}

/// An offset's tensors and where they lie: the one keeps what the other points into.
struct HeldOffset {
  torch::Tensor bias{}, offset{};
  cuda::ChannelOffset call{};

  HeldOffset(const Offset& from, const torch::Tensor& x) {
    if (from.bias.defined()) {
      bias = channels_of(from.bias, x);
      call.bias = read(bias);
    }
    if (!from.offset.defined()) return;
    offset = channels_of(from.offset, x);
    call.offset = read(offset);
    call.offset_stride = offset.size(0) == 1 ? 0 : offset.size(1);
  }
};

}  // namespace

void set_backend(const cuda::Backend* backend, c10::DeviceType device) {
  registered.device = device;
  registered.backend = backend;
}

const cuda::Backend* backend_of(torch::Device device) {
  return device.type() == registered.device.load() ? registered.backend.load() : nullptr;
}

const cuda::Backend* backend_of(const torch::Tensor& x) {
  return c10::GradMode::is_enabled() ? nullptr : backend_of(x.device());
}

bool takes_half(const torch::Tensor& x) {
  return backend_of(x) != nullptr &&
         (x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16);
}

bool norms(const torch::Tensor& x, const GroupNormOptions& options) {
  return backend_of(x) != nullptr && has_type(x) && x.dim() == 4 && x.numel() > 0 &&
         x.size(1) % cuda::Backend::step(type_of(x)) == 0 && x.size(1) % options.groups == 0 &&
         x.size(1) / cuda::Backend::step(type_of(x)) <= kMostVectors &&
         (takes_half(x) || x.is_contiguous(kLast));
}

torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options,
                         const Offset& before) {
  const auto* backend = backend_of(x);
  const auto maps = aligned(x.contiguous(kLast));
  const auto weight = channels_of(options.weight, maps), bias = channels_of(options.bias, maps);
  const HeldOffset offset(before, maps);
  const auto shape = maps_of(maps);
  auto scratch = at::empty({backend->group_norm_scratch(shape, options.groups)},
                           maps.options().dtype(at::kFloat));
  auto y = at::empty_like(maps);
  const OnDeviceOf on(maps);
  backend->group_norm({.maps = shape,
                       .x = read(maps),
                       .before = offset.call,
                       .weight = read(weight),
                       .bias = read(bias),
                       .groups = options.groups,
                       .eps = options.eps,
                       .silu = options.silu,
                       .scratch = static_cast<float*>(write(scratch)),
                       .y = write(y)},
                      stream_of(maps));
  return y;
}

torch::Tensor add(torch::Tensor x, const Offset& offset, const torch::Tensor& residual) {
  const auto* backend = backend_of(x);
  const bool maps = x.dim() == 4;
  const auto more = !residual.defined()
                        ? residual
                        : aligned(maps ? residual.contiguous(kLast) : residual.contiguous());
  const int64_t channels = maps ? x.size(1) : x.size(-1);
  const bool plain = maps ? x.is_contiguous(kLast) : x.is_contiguous();
  if (channels % cuda::Backend::step(type_of(x)) != 0 || !plain) {
    for (const auto& one : {offset.bias, offset.offset}) {
      if (one.defined()) x.add_(maps ? one.unsqueeze(-1).unsqueeze(-1) : one);
    }
    return more.defined() ? x.add_(more) : x;
  }
  const HeldOffset held(offset, x);
  const OnDeviceOf on(x);
  backend->add({.maps = maps_of(x),
                .x = write(x),
                .offset = held.call,
                .residual = more.defined() ? read(more) : nullptr},
               stream_of(x));
  return x;
}

bool gates(const torch::Tensor& x) {
  return takes_half(x) && x.size(-1) % (2 * cuda::Backend::step(type_of(x))) == 0;
}

torch::Tensor gate(const torch::Tensor& x) {
  const auto* backend = backend_of(x);
  const auto rows = aligned(x.contiguous());
  const int64_t width = x.size(-1) / 2;
  auto shape = x.sizes().vec();
  shape.back() = width;
  auto y = at::empty(shape, x.options());
  const OnDeviceOf on(x);
  backend->gate({.type = type_of(x),
                 .x = read(rows),
                 .rows = x.numel() / (2 * width),
                 .width = width,
                 .y = write(y)},
                stream_of(x));
  return y;
}

void note_nonfinite(const torch::Tensor& x, int64_t step, torch::Tensor& first) {
  const auto values = x.contiguous();
  const OnDeviceOf on(x);
  backend_of(x)->note_nonfinite(static_cast<const float*>(read(values)), values.numel(),
                                static_cast<int>(step), static_cast<int*>(write(first)),
                                stream_of(x));
}

torch::Tensor uploaded(const torch::Tensor& values, torch::Device device) {
  const auto* backend = backend_of(device);
  if (backend == nullptr || values.numel() == 0) return values.to(device);
  const auto from = values.contiguous();
  auto to = at::empty(from.sizes(), from.options().device(device));
  backend->upload(device.has_index() ? device.index() : 0, read(from), write(to), from.nbytes());
  return to;
}

void give_back_memory(torch::Device device) {
  if (const auto* backend = backend_of(device)) backend->give_back_memory();
}

}  // namespace sd::gpu
