#pragma once

#include <filesystem>
#include <string>

namespace sd::test {

/// A file's bytes. Throws Error if it cannot be read.
std::string read_whole(const std::filesystem::path& path);

/// What pack_fixture.py packed into a file. Throws Error if it was not.
std::string unpack_fixture(const std::filesystem::path& path);

/// The .safetensors file of all tensors of the packed ones in a folder, as its Python package
/// writes it: by name.
std::string join_fixture(const std::filesystem::path& folder);

}  // namespace sd::test
