#include <cstring>

#include "networks/network_file.h"
#include "sd/core/mapped_file.h"
#include "sd/core/sha256.h"
#include "sd/networks/network.h"

namespace sd {

std::string network_hash(const std::filesystem::path& path) {
  constexpr std::size_t kLength = 8;  // little-endian, before the header
  const auto file = MappedFile::open(network_file(path));
  auto bytes = file->bytes();
  if (bytes.size() > kLength) {
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), kLength);
    const bool safetensors =
        header <= bytes.size() - kLength && header > 0 && bytes[kLength] == std::byte{'{'};
    if (safetensors) bytes = bytes.subspan(kLength + header);
  }
  return sha256_hex(bytes);
}

}  // namespace sd
