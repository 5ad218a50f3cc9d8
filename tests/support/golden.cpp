#include "support/golden.h"

#include <dlfcn.h>

#include <cstdlib>
#include <limits>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/weights/load_weights.h"
#include "weights/safetensors_source.h"

namespace sd::test {

DeviceChoice device_choice() {
  const char* name = std::getenv("SD_TEST_DEVICE");
  return parse_device(name != nullptr ? name : "cpu");
}

std::filesystem::path data(const std::string& name) {
  const char* moved = std::getenv("SD_TEST_DATA_DIR");
  return std::filesystem::path(moved != nullptr ? moved : SD_TEST_DATA) / name;
}

torch::Device device() {
  const auto choice = device_choice();
  if (choice.kind != DeviceChoice::Kind::kCuda) return torch::kCPU;
  // LibTorch remembers whether its CUDA half was there at the first question.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    throw Error(std::string("SD_TEST_DEVICE: ") + dlerror());
  }
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(choice.index.value_or(0)));
}

Golden::Golden(const std::string& name) {
  const auto file = MappedFile::open(data(name));
  tensors_ = open_safetensors({file->bytes(), file, file.get()}, name);
}

torch::Tensor Golden::operator[](const std::string& name) const {
  return wrap_tensor(tensors_->at(name)).clone().to(device());
}

double relative_difference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  const auto expected = b.to(torch::kCPU, torch::kDouble);
  const auto difference = (a.to(torch::kCPU, torch::kDouble) - expected).abs().max();
  return (difference / expected.abs().max()).item<double>();
}

}  // namespace sd::test
