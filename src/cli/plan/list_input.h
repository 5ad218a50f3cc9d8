#pragma once

#include <istream>
#include <memory>
#include <string>

#include "cli/plan/prompt_list.h"

namespace sd::cli {

/// The text of a list: of a file, of a pipe whose other end may write it bit by bit, or of standard
/// input for "-". Throws IoError for folders, devices other than terminals, and what cannot be
/// read. Where nothing comes for a second, that is said once, unless `quiet`.
class ListInput {
 public:
  ListInput(const std::string& from_file, bool quiet);
  ~ListInput();
  ListInput(const ListInput&) = delete;
  ListInput& operator=(const ListInput&) = delete;

  /// Throws IoError from its reading functions.
  std::istream& stream() { return stream_; }

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
  std::istream stream_;
};

/// As read_prompt_list(from_file), which says it where it has to wait; not so if `quiet`.
PromptList read_prompt_list(const std::string& from_file, bool quiet);

}  // namespace sd::cli
