// Makes the folder that the tests read their data from: links to what lies in tests/data, what is
// packed there unpacked, and the tiny Stable Diffusion v1 in both layouts, which is not stored
// since all of its numbers come from one seed.
//
//     make_test_data tests/data build/tests/data
//
// Names and shapes of the tiny model are those that the original code and diffusers wrote
// (tests/data/tiny-v1/). Every file that is made must have its SHA-256 of tests/data/sha256sums.
#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "support/byte_writer.h"
#include "tools/test_data/packed_fixture.h"
#include "tools/test_data/safetensors_file.h"
#include "tools/test_data/tiny_model_values.h"
#include "tools/test_data/torch_zip.h"

namespace fs = std::filesystem;

namespace sd::test {
namespace {

/// The checkpoint: the pickle as the original wrote it, and a storage for each tensor in its order.
std::string make_checkpoint(const std::vector<TinyTensor>& tensors, const std::string& pickle) {
  TorchZip zip("tiny-v1");
  zip.add("data.pkl", pickle);
  zip.add(".format_version", "1");
  zip.add(".storage_alignment", "64");
  zip.add("byteorder", "little");
  std::size_t storage = 0;
  for (const auto& tensor : tensors) zip.add(fmt::format("data/{}", storage++), tensor.bytes);
  const std::string best_score = ByteWriter().u32(0x3f000000).bytes();  // of a callback: 0.5
  zip.add(fmt::format("data/{}", storage), best_score);
  zip.add("version", "3\n");
  zip.add(".data/serialization_id", "0488530365126686423914490198810706115226");
  return zip.finish();
}

/// The weights of one part ("unet") as diffusers names them.
std::string make_part(const std::vector<TinyTensor>& tensors, const std::string& part) {
  SafetensorsFile file;
  for (const auto& tensor : tensors) {
    if (tensor.part != part) continue;
    file.add(tensor.diffusers_name, {tensor.dtype, tensor.diffusers_shape, tensor.bytes});
  }
  return file.bytes(/*format=*/true);
}

class Maker {
 public:
  Maker(fs::path from, fs::path to) : from_(std::move(from)), to_(std::move(to)) {
    std::ifstream list(from_ / "sha256sums");
    for (std::string hash, name; list >> hash >> name;) hashes_[name] = hash;
  }

  void run() {
    mirror("");
    const auto tensors = make_tiny_tensors(from_ / "tiny-v1/tensors.tsv");
    write("tiny-v1.ckpt", make_checkpoint(tensors, read_whole(to_ / "tiny-v1/data.pkl")));
    for (const std::string part : {"unet", "vae", "text_encoder"}) {
      const std::string kind = part == "text_encoder" ? "model" : "diffusion_pytorch_model";
      write(fs::path("tiny-v1-diffusers") / part / (kind + ".safetensors"),
            make_part(tensors, part));
    }
    if (!hashes_.empty()) {
      throw Error(fmt::format("{} was not made, but has a SHA-256", hashes_.begin()->first));
    }
  }

 private:
  /// What lies in a folder below `from_`, a link each, so that a change is the tests' at once.
  void mirror(const fs::path& folder) {
    fs::create_directories(to_ / folder);
    for (const auto& entry : fs::directory_iterator(from_ / folder)) {
      const auto name = folder / entry.path().filename();
      if (entry.is_directory() && name.extension() == ".safetensors") {
        write(name, join_fixture(entry.path()));
      } else if (entry.is_directory()) {
        mirror(name);
      } else if (name.extension() == ".packed") {
        write(folder / name.stem(), unpack_fixture(entry.path()));
      } else {
        fs::remove(to_ / name);
        fs::create_symlink(fs::absolute(entry.path()), to_ / name);
      }
    }
  }

  void write(const fs::path& name, const std::string& contents) {
    const auto bytes = std::as_bytes(std::span(contents));
    const auto found = sha256_hex(bytes);
    const auto wanted = hashes_.extract(name.string());
    if (wanted.empty() || wanted.mapped() != found) {
      throw Error(fmt::format("{}: made with the SHA-256 {}, sha256sums says {}", name.string(),
                              found, wanted.empty() ? "nothing" : wanted.mapped()));
    }
    write_file(to_ / name, bytes, /*overwrite=*/true);
  }

  fs::path from_, to_;
  std::map<std::string, std::string> hashes_;
};

}  // namespace
}  // namespace sd::test

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: make_test_data tests/data FOLDER\n");
    return 2;
  }
  try {
    sd::test::Maker(argv[1], argv[2]).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_test_data: {}\n", error.what());
    return 1;
  }
  return 0;
}
