#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace sd::cuda {

// What our own library for NVIDIA's GPUs does. The library (libsd_cuda) is opened where a GPU is
// drawn on, after LibTorch's CUDA half; whoever calls it knows LibTorch's CPU half alone. Pointers
// are of the GPU's memory, streams are cudaStream_t. Calls only start work.

enum class Type : int { kFloat, kHalf, kBFloat16 };

/// Maps whose channels lie side by side: [pictures, pixels, channels].
struct Maps {
  Type type = Type::kHalf;
  int64_t pictures = 0, pixels = 0, channels = 0;
};

/// What is added to each channel of a picture.
struct ChannelOffset {
  const void* bias = nullptr;    // [channels] of the maps' type; null: none
  const void* offset = nullptr;  // [pictures, channels] likewise
  int64_t offset_stride = 0;     // from one picture to the next; 0: all share one
};

/// y = f(norm(x + offset)), a group norm (arXiv:1803.08494) with or without SiLU behind it. The
/// arithmetic is float32, sums over pixels are double; the same bits in every call.
struct GroupNormCall {
  Maps maps;
  const void* x = nullptr;
  ChannelOffset before{};
  const void* weight = nullptr;  // [channels] of the maps' type
  const void* bias = nullptr;
  int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;
  float* scratch = nullptr;  // group_norm_scratch(maps, groups) numbers
  void* y = nullptr;
};

/// x += offset + residual, in place.
struct AddCall {
  Maps maps;
  void* x = nullptr;
  ChannelOffset offset{};
  const void* residual = nullptr;  // of x's shape; null: none
};

/// y = a · gelu(b) of rows [a,b] (arXiv:2002.05202), gelu with the error function.
struct GateCall {
  Type type = Type::kHalf;
  const void* x = nullptr;  // [rows, 2 width]
  int64_t rows = 0, width = 0;
  void* y = nullptr;  // [rows, width]
};

/// Work that was recorded once and is started as one.
class Graph {
 public:
  virtual ~Graph() = default;
  /// Starts it on the current stream.
  virtual void replay() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// Channels that a call takes at a time: their number must be a multiple, and every pointer
  /// aligned to 16 bytes.
  static int64_t step(Type type) { return type == Type::kFloat ? 4 : 8; }

  virtual int64_t group_norm_scratch(const Maps& maps, int64_t groups) const = 0;
  virtual void group_norm(const GroupNormCall& call, void* stream) const = 0;
  virtual void add(const AddCall& call, void* stream) const = 0;
  virtual void gate(const GateCall& call, void* stream) const = 0;
  /// Where one of `count` floats is not finite, *first becomes `step` if it was negative.
  virtual void note_nonfinite(const float* x, int64_t count, int step, int* first,
                              void* stream) const = 0;

  /// Records what `work` starts on GPU number `device`. What it allocates stays the graph's, or
  /// those' who record into `beside` memory: graphs that share it must not run side by side.
  virtual std::unique_ptr<Graph> record(int device, const std::function<void()>& work,
                                        const Graph* beside) const = 0;
  /// Copies the host's bytes to `to`, memory of GPU number `device`, on its current stream, through
  /// memory that the GPU reads by itself. `from` may go when it returns.
  virtual void upload(int device, const void* from, void* to, std::size_t bytes) const = 0;
  /// Memory that LibTorch keeps of a GPU and nobody uses goes back to the driver.
  virtual void give_back_memory() const = 0;

  /// How often the host waited for a GPU in calls of LibTorch since counting began.
  virtual void count_waits(bool on) const = 0;
  virtual int64_t waits() const = 0;
  /// Bytes of GPU number `device` that LibTorch held at most.
  virtual int64_t peak_memory(int device) const = 0;
};

/// What the library gives, under the name that `kEntry` says; `version` is the program's.
inline constexpr const char* kEntry = "sd_cuda_backend";
using Entry = const Backend* (*)(const char* version);

}  // namespace sd::cuda
