#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/byte_writer.h"

namespace sd::test {

/// Where a tensor of a pickle lies.
struct PickledTensor {
  std::string type = "FloatStorage";
  std::string key = "0";
  int64_t count = 0;  // elements of the storage
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  /// The oldest files': begin and count of the part of the storage that is seen.
  std::optional<std::pair<int64_t, int64_t>> view = std::nullopt;
};

/// Writes a protocol 2 pickle opcode by opcode, as torch.save does.
class PickleWriter {
 public:
  PickleWriter() { op("\x80\x02"); }

  PickleWriter& op(std::string_view bytes) {
    out_.text(bytes);
    return *this;
  }
  PickleWriter& text(std::string_view value) {
    out_.text("X").u32(value.size()).text(value);
    return *this;
  }
  PickleWriter& integer(int64_t value) {
    out_.text("\x8a\x08").u64(static_cast<uint64_t>(value));
    return *this;
  }
  PickleWriter& integers(const std::vector<int64_t>& values) {
    op("(");
    for (const int64_t value : values) integer(value);
    return op("t");
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    out_.text("c").text(module).text("\n").text(name).text("\n");
    return *this;
  }
  /// torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())
  PickleWriter& tensor(const PickledTensor& tensor) {
    global("torch._utils", "_rebuild_tensor_v2")
        .op("((")
        .text("storage")
        .global("torch", tensor.type);
    text(tensor.key).text("cpu").integer(tensor.count);
    if (tensor.view)
      op("(").text("view").integer(tensor.view->first).integer(tensor.view->second).op("t");
    op("tQ").integer(tensor.offset);
    integers(tensor.shape).integers(tensor.strides).op("\x89");
    return global("collections", "OrderedDict").op(")RtR");
  }
  /// The finished pickle.
  std::string done() {
    op(".");
    return out_.bytes();
  }

 private:
  ByteWriter out_;
};

}  // namespace sd::test
