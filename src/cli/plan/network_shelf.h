#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "core/file_stamp.h"
#include "sd/networks/network.h"
#include "sd/weights/tensor_source.h"

namespace sd::cli {

struct InspectedModel;  // plan/plan_context.h

/// Files of LoRAs that were opened, and the model that they were held against.
class NetworkShelf {
 public:
  struct Entry {
    FileStamp stamp;
    std::shared_ptr<const Network> network;
    std::set<const InspectedModel*> told;  // of which models it was said how it fits
  };

  /// Opens the file, unless it is as it was. Throws as open_network.
  Entry& at(const std::filesystem::path& path);
  /// The model's tensors; throws as open_model.
  const TensorSource& tensors_of(const InspectedModel& model);
  /// What was opened of the model need not stay so while it is drawn with.
  void close_model() { tensors_ = nullptr; }

 private:
  std::map<std::filesystem::path, Entry> entries_;
  const InspectedModel* model_ = nullptr;
  std::unique_ptr<TensorSource> tensors_;
};

}  // namespace sd::cli
