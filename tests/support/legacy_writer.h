#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/checkpoint_writer.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/pickle_globals.h"

namespace sd::test {

/// The pickles before the tensors of a file without a zip: magic number, protocol, machine.
inline std::string legacy_preamble(int64_t protocol = 1001, bool little_endian = true) {
  std::string bytes(kLegacyCkptMagic);
  bytes += '.';
  bytes += PickleWriter().integer(protocol).done();
  bytes += PickleWriter()
               .op("}(")
               .text("little_endian")
               .op(little_endian ? "\x88" : "\x89")
               .op("u")
               .done();
  return bytes;
}

/// The pickle of the storages' keys.
inline std::string legacy_keys(const std::vector<std::string>& keys) {
  PickleWriter pickle;
  pickle.op("](");
  for (const auto& key : keys) pickle.text(key);
  return pickle.op("e").done();
}

/// `checkpoint` as torch.save wrote it before PyTorch 1.6.
inline std::string write_legacy_checkpoint(const Checkpoint& checkpoint) {
  std::vector<std::string> keys;
  ByteWriter storages;
  for (const auto& [key, bytes] : checkpoint.storages) {
    keys.push_back(key);
    std::size_t element = 1;
    for (const auto& [name, tensor] : checkpoint.tensors) {
      if (tensor.key == key)
        element = pickle::storage_element_size(tensor.type).value_or(std::size_t{1});
    }
    storages.u64(bytes.size() / element).text(bytes);
  }
  return legacy_preamble() + write_pickle(checkpoint) + legacy_keys(keys) + storages.bytes();
}

}  // namespace sd::test
