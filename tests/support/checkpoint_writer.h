#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/pickle_writer.h"
#include "support/zip_writer.h"

namespace sd::test {

/// A .ckpt to be written: tensors of a state_dict and the storages that they lie in.
struct Checkpoint {
  std::vector<std::pair<std::string, PickledTensor>> tensors;
  std::vector<std::pair<std::string, std::string>> storages;  // key, bytes
  bool at_top = false;                                        // no "state_dict" around the tensors
  bool deflate = false;
  std::string byteorder;  // the entry of that name, if any
};

/// data.pkl of `checkpoint`; `beside` is put into the top dictionary as it is (keys and values,
/// opcode by opcode).
inline std::string write_pickle(const Checkpoint& checkpoint, const std::string& beside = "") {
  PickleWriter pickle;
  if (!checkpoint.at_top) pickle.op("}(").op(beside).text("state_dict");
  pickle.op("}(");
  for (const auto& [name, tensor] : checkpoint.tensors) pickle.text(name).tensor(tensor);
  pickle.op("u");
  if (!checkpoint.at_top) pickle.op("u");
  return pickle.done();
}

inline std::string write_checkpoint(const Checkpoint& checkpoint, const std::string& pickle) {
  std::vector<ZipFile> files;
  const auto add = [&](const std::string& name, const std::string& contents) {
    ZipFile file;
    file.name = "archive/" + name;
    file.contents = contents;
    file.deflate = checkpoint.deflate;
    file.sizes_follow = true;
    files.push_back(std::move(file));
  };
  add("data.pkl", pickle);
  if (!checkpoint.byteorder.empty()) {
    add("byteorder", checkpoint.byteorder);
    files.back().deflate = false;
  }
  for (const auto& [key, bytes] : checkpoint.storages) add("data/" + key, bytes);
  return write_zip(files);
}

inline std::string write_checkpoint(const Checkpoint& checkpoint) {
  return write_checkpoint(checkpoint, write_pickle(checkpoint));
}

}  // namespace sd::test
