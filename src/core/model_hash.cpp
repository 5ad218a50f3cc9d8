#include "sd/core/model_hash.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <system_error>

#include "core/file_stamp.h"
#include "core/posix_file.h"
#include "core/user_folders.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/core/sha256.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMaxCache = std::size_t{16} << 20;  // a model takes 200 bytes

std::optional<fs::path> cache_file() {
  const auto folder = user_folder("XDG_CACHE_HOME", ".cache");
  return folder ? std::optional(*folder / "sd" / "hashes.json") : std::nullopt;
}

/// The object in the cache file, or an empty one if there is no usable file.
json read_cache(const fs::path& path) {
  try {
    const auto file = MappedFile::open(path);
    if (file->size() > kMaxCache) return json::object();
    const auto* text = reinterpret_cast<const char*>(file->bytes().data());
    json cache = json::parse(text, text + file->size(), nullptr, /*allow_exceptions=*/false);
    if (cache.is_object()) return cache;
  } catch (const IoError&) {
    // No cache yet, or not a file: the hash is computed.
  }
  return json::object();
}

void write_cache(const fs::path& path, const json& cache) {
  try {
    const std::string text = cache.dump(1);
    fs::create_directories(path.parent_path());
    write_file(path, std::as_bytes(std::span(text)), /*overwrite=*/true);
  } catch (const IoError&) {
    // A cache that cannot be written costs time at the next run, nothing else.
  } catch (const fs::filesystem_error&) {
  } catch (const json::type_error&) {
    // A path that is not UTF-8 has no place in JSON.
  }
}

/// What must be unchanged for a cached hash to hold.
json fingerprint(const fs::path& path) {
  const auto stamp = stamp_at(path);
  return {{"size", stamp.size}, {"mtime_s", stamp.seconds}, {"mtime_ns", stamp.nanoseconds}};
}

bool is_sha256(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().size() == 64 &&
         value.get_ref<const std::string&>().find_first_not_of("0123456789abcdef") ==
             std::string::npos;
}

}  // namespace

std::string model_sha256(const fs::path& path) {
  const json before = fingerprint(path);
  json entry = before;
  const std::string key = fs::absolute(path).lexically_normal().string();
  const auto file = cache_file();
  json cache = file ? read_cache(*file) : json::object();
  if (const auto found = cache.find(key); found != cache.end() && found->is_object()) {
    const json sha256 = found->value("sha256", json());
    entry["sha256"] = sha256;
    if (*found == entry && is_sha256(sha256)) return sha256.get<std::string>();
  }
  const std::string sha256 = sha256_file(path);
  // Another file may have got the name before or after the bytes were read: whole, but which?
  if (file && fingerprint(path) == before) {
    entry["sha256"] = sha256;
    cache[key] = entry;
    write_cache(*file, cache);
  }
  return sha256;
}

std::string model_hash(const fs::path& path) {
  constexpr std::size_t kDigits = 10;
  return model_sha256(path).substr(0, kDigits);
}

std::string first_model_hash(const fs::path& path) {
  constexpr std::size_t kBegin = std::size_t{1} << 20, kSize = std::size_t{1} << 16, kDigits = 8;
  const auto file = MappedFile::open(path);
  auto bytes = file->bytes();
  bytes = bytes.subspan(std::min(kBegin, bytes.size()));
  return sha256_hex(bytes.first(std::min(kSize, bytes.size()))).substr(0, kDigits);
}

}  // namespace sd
