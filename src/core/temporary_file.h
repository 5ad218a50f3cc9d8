#pragma once

#include <filesystem>

#include "core/posix_file.h"

namespace sd {

/// A file or folder under a name of its own that will get its real one later, and the descriptor
/// that keeps a lock on it: as long as its process lives, nobody takes it for left over.
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
/// Whoever has the lock of a name lives, in whatever container. Locks of a shared folder need not
/// reach other machines, nor a virtual one, so names also say which start of a system they are of:
/// another's are removed only when nothing was written to them for a week.
void sweep_temporaries(const std::filesystem::path& folder);

}  // namespace sd
