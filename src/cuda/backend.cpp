#include "cuda/backend.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <string>
#include <string_view>

#include "cuda/kernels.h"
#include "cuda/uploader.h"

namespace sd::cuda {
namespace {

class RecordedGraph final : public Graph {
 public:
  RecordedGraph(c10::DeviceIndex device, const std::function<void()>& work,
                c10::MempoolId_t memory) {
    const c10::cuda::CUDAGuard on(device);
    c10::cuda::device_synchronize();
    // LibTorch records on any stream but the one that everybody uses.
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    graph_.capture_begin(memory, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // the recording is broken: what broke it is told
      }
      throw;
    }
    graph_.capture_end();
  }

  void replay() override { graph_.replay(); }
  c10::MempoolId_t memory() const { return const_cast<at::cuda::CUDAGraph&>(graph_).pool(); }

 private:
  at::cuda::CUDAGraph graph_;
};

/// Counts LibTorch's warnings of calls that wait for the GPU.
class WaitCounter final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (std::string_view(warning.msg()).find("synchronizing CUDA") != std::string_view::npos) {
      ++count;
    } else {
      c10::WarningHandler::process(warning);
    }
  }
  std::atomic<int64_t> count = 0;
};

WaitCounter counter;

class LibTorchBackend final : public Backend {
 public:
  int64_t group_norm_scratch(const Maps& maps, int64_t groups) const override {
    return cuda::group_norm_scratch(maps, groups);
  }
  void group_norm(const GroupNormCall& call, void* stream) const override {
    cuda::group_norm(call, stream);
  }
  void add(const AddCall& call, void* stream) const override { cuda::add(call, stream); }
  void gate(const GateCall& call, void* stream) const override { cuda::gate(call, stream); }
  void note_nonfinite(const float* x, int64_t count, int step, int* first,
                      void* stream) const override {
    cuda::note_nonfinite(x, count, step, first, stream);
  }

  std::unique_ptr<Graph> record(int device, const std::function<void()>& work,
                                const Graph* beside) const override {
    const auto* other = static_cast<const RecordedGraph*>(beside);
    return std::make_unique<RecordedGraph>(
        static_cast<c10::DeviceIndex>(device), work,
        other != nullptr ? other->memory() : c10::MempoolId_t{0, 0});
  }

  void upload(int device, const void* from, void* to, std::size_t bytes) const override {
    const c10::cuda::CUDAGuard on(static_cast<c10::DeviceIndex>(device));
    Uploader().copy(static_cast<const std::byte*>(from), static_cast<std::byte*>(to), bytes);
  }
  void give_back_memory() const override { c10::cuda::CUDACachingAllocator::emptyCache(); }

  void count_waits(bool on) const override {
    using Mode = c10::cuda::SyncDebugMode;
    counter.count = 0;
    c10::WarningUtils::set_warnAlways(on);
    c10::WarningUtils::set_warning_handler(on ? &counter : nullptr);
    c10::cuda::warning_state().set_sync_debug_mode(on ? Mode::L_WARN : Mode::L_DISABLED);
  }
  int64_t waits() const override { return counter.count; }

  int64_t peak_memory(int device) const override {
    const auto stats =
        c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    return stats.reserved_bytes[0].peak;
  }
};

}  // namespace
}  // namespace sd::cuda

/// Of this very version of the program, or nothing.
extern "C" __attribute__((visibility("default"))) const sd::cuda::Backend* sd_cuda_backend(
    const char* version) {
  static const sd::cuda::LibTorchBackend backend;
  return std::string_view(version) == SD_VERSION ? &backend : nullptr;
}
