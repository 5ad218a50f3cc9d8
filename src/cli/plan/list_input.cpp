#include "cli/plan/list_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <streambuf>
#include <utility>

#include "cli/shell/text_output.h"
#include "core/posix_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr int kPatience = 1000;  // milliseconds

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw IoError(fmt::format("--from-file: cannot read {}: {}", name, what));
}

/// Without waiting for whoever will write into a FIFO: that is done where it can be said.
FileDescriptor open_list(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    const int error = errno;
    const auto dead = error == ENOENT ? dead_link(path) : std::nullopt;
    fail(path, dead ? *dead : error == ENXIO ? "it is a socket" : errno_message(error));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(path, errno_message(errno));
  const bool terminal = S_ISCHR(status.st_mode) && ::isatty(fd.get()) == 1;
  if (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode) || terminal) return fd;
  throw IoError(fmt::format("--from-file: {} is {}, expected a text file with a prompt a line",
                            path, kind_name(status.st_mode)));
}

}  // namespace

/// Reads as much as there is, and waits where there is nothing yet.
class ListInput::Buffer : public std::streambuf {
 public:
  Buffer(std::string name, FileDescriptor fd, bool quiet)
      : name_(std::move(name)), fd_(std::move(fd)), patient_(quiet) {}

 protected:
  int_type underflow() override {
    while (true) {
      wait();
      const ssize_t count = ::read(descriptor(), bytes_.data(), bytes_.size());
      if (count > 0) {
        setg(bytes_.data(), bytes_.data(), bytes_.data() + count);
        return traits_type::to_int_type(bytes_.front());
      }
      if (count == 0) return traits_type::eof();
      if (errno != EINTR && errno != EAGAIN) fail(name_, errno_message(errno));
    }
  }

 private:
  int descriptor() const { return fd_.get() < 0 ? STDIN_FILENO : fd_.get(); }

  void wait() {
    pollfd ready{descriptor(), POLLIN, 0};
    if (!patient_ && ::poll(&ready, 1, kPatience) == 0) {
      patient_ = true;
      print_message(fmt::format("waiting for the lines of {}, of which nothing comes", name_));
    }
    while (::poll(&ready, 1, -1) < 0 && errno == EINTR) {
    }
  }

  std::string name_;
  FileDescriptor fd_;  // -1: standard input
  bool patient_;       // nothing is said any more
  std::array<char, 1 << 16> bytes_{};
};

ListInput::ListInput(const std::string& from_file, bool quiet)
    : buffer_(from_file == "-"
                  ? std::make_unique<Buffer>("standard input", FileDescriptor(-1), quiet)
                  : std::make_unique<Buffer>(from_file, open_list(from_file), quiet)),
      stream_(buffer_.get()) {
  stream_.exceptions(std::ios::badbit);  // what the buffer throws comes through
}

ListInput::~ListInput() = default;

}  // namespace sd::cli
