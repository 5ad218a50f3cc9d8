// Stands in for NVIDIA's driver (libcuda.so.1) and its management library (libnvidia-ml.so.1): as
// many GPUs as SD_FAKE_GPUS says, each a gigabyte larger than the one before it.
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0;
constexpr int kNoDevice = 100;
constexpr int kInvalidDevice = 101;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr unsigned long long kGigabyte = 1ULL << 30;

int gpus() {
  const char* count = std::getenv("SD_FAKE_GPUS");
  return count == nullptr ? 0 : std::atoi(count);
}

unsigned long long memory_of(int device) {
  return (80 + static_cast<unsigned>(device)) * kGigabyte;
}

struct Memory {
  unsigned long long total, free, used;
};

}  // namespace

extern "C" {

int cuInit(unsigned) { return gpus() == 0 ? kNoDevice : kSuccess; }
int cuDriverGetVersion(int* version) {
  *version = 13020;
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = gpus();
  return kSuccess;
}
int cuDeviceGet(int* device, int index) {
  *device = index;
  return index < gpus() ? kSuccess : kInvalidDevice;
}
int cuDeviceGetName(char* name, int size, int device) {
  std::snprintf(name, static_cast<std::size_t>(size), "Fake %d", device);
  return kSuccess;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == kCapabilityMajor ? 9 : attribute == kCapabilityMinor ? 0 : -1;
  return kSuccess;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
  *bytes = memory_of(device);
  return kSuccess;
}
int cuDeviceGetPCIBusId(char* text, int size, int device) {
  std::snprintf(text, static_cast<std::size_t>(size), "0000:%02x:00.0", device + 1);
  return kSuccess;
}

int nvmlInit_v2() { return kSuccess; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus, void** handle) {
  *handle = reinterpret_cast<void*>(std::strtoul(bus + std::strlen("0000:"), nullptr, 16));
  return kSuccess;
}
int nvmlDeviceGetMemoryInfo(void* handle, Memory* memory) {
  const int device = static_cast<int>(reinterpret_cast<unsigned long>(handle)) - 1;
  *memory = {memory_of(device), memory_of(device) - kGigabyte, kGigabyte};
  return kSuccess;
}
}
