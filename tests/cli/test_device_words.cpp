#include <gtest/gtest.h>

#include <string>

#include "cli/shell/device_words.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;
using Kind = DeviceChoice::Kind;

Machine machine(bool node, std::vector<std::string> gpus) {
  Machine there;
  there.cores = 4;
  there.gpu_node = node;
  there.gpus = std::move(gpus);
  return there;
}

TEST(DeviceWords, AGpuIsCalledCuda) {
  for (const char* word : {"gpu", "GPU:0", "nvidia", "cuda0", "CUDA"}) {
    SCOPED_TRACE(word);
    expect_error<UsageError>([&] { device_of_word(word); }, std::string("--device: '") + word + "'",
                             "A GPU is called cuda");
  }
  expect_error<UsageError>([] { device_of_word("1"); }, "cuda:1");
  expect_error<UsageError>([] { device_of_word("mps"); }, "Only NVIDIA");
  expect_error<UsageError>([] { device_of_word("rocm:0"); }, "Only NVIDIA");
  expect_error<UsageError>([] { device_of_word("cpuu"); }, "Did you mean 'cpu'?");
}

TEST(DeviceWords, SeveralGpusStandBetweenCommas) {
  EXPECT_EQ(devices_of_word("cuda:0,2").size(), 2u);
  EXPECT_EQ(devices_of_word("cuda").size(), 1u);
  expect_error<UsageError>([] { devices_of_word("0,1"); }, "--device: devices '0,1'", "cuda:0,1");
  expect_error<UsageError>([] { devices_of_word("cuda:0,0"); }, "--device:", "cuda:0 twice");
}

TEST(DeviceWords, WithoutAGpuTheMachineIsDescribed) {
  expect_error<UsageError>([] { check_device({Kind::kCuda}, machine(false, {})); },
                           "--device cuda: no NVIDIA GPU", "4 cores", "--device cpu", "nvidia-smi");
  EXPECT_NO_THROW(check_device({Kind::kAuto, 0}, machine(false, {})));
  EXPECT_NO_THROW(check_device({Kind::kCpu, 0}, machine(false, {})));
}

TEST(DeviceWords, AnIndexBeyondTheLastGpuIsAnsweredWithThoseThatAreThere) {
  const auto two = machine(true, {"NVIDIA A", "NVIDIA B"});
  expect_error<UsageError>(
      [&] {
        check_device({Kind::kCuda, 2}, two);
      },
      "--device cuda:2", "2 GPUs: cuda:0 (NVIDIA A), cuda:1 (NVIDIA B)");
  EXPECT_NO_THROW(check_device({Kind::kCuda, 1}, two));
  // The driver of a virtual machine may tell no names.
  EXPECT_NO_THROW(check_device({Kind::kCuda, 3}, machine(true, {})));
}

}  // namespace
}  // namespace sd::cli
