#pragma once

#include <filesystem>

#include "core/posix_file.h"

namespace sd {

/// A file or folder with a temporary name, which gets its real name later. The descriptor holds a
/// lock on it. As long as the process lives, the lock tells others that it is not left over.
struct Temporary {
  std::filesystem::path path;  // empty if none could be made, with errno set
  FileDescriptor fd;
};

/// A new empty file in `folder`, opened for writing.
Temporary make_temporary_file(const std::filesystem::path& folder);
/// The same for a folder.
Temporary make_temporary_folder(const std::filesystem::path& folder);

/// Removes what processes that no longer live left unfinished in `folder` under such names. The
/// first call for a folder does it, further ones in this process do nothing.
///
/// A name whose lock is held belongs to a process that lives, in whatever container. Locks in a
/// shared folder may not reach other machines, real or virtual. Names therefore also say by which
/// start of which system they were made. A name of another start is removed only if nothing was
/// written to it for a week.
void sweep_temporaries(const std::filesystem::path& folder);

}  // namespace sd
