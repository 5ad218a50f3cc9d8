#include "cli/sd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace sd::test {
namespace {

constexpr int kExecFailed = 127;
constexpr std::chrono::milliseconds kPoll{5};

void redirect(int descriptor, const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(kExecFailed);
}

void close_reader_of_stdout() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) _exit(kExecFailed);
  close(ends[0]);
  close(ends[1]);
}

/// What the developer has set for their own use of sd must not decide what tests see.
void forget_settings(const std::filesystem::path& streams) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("SD_")) names.push_back(text.substr(0, text.find('=')));
  }
  for (const auto& name : names) unsetenv(name.c_str());
  setenv("XDG_CONFIG_HOME", streams.c_str(), 1);
}

[[noreturn]] void become(const ProcessSetup& setup, const std::filesystem::path& streams) {
  redirect(STDIN_FILENO, streams / "in", O_RDONLY);
  if (setup.stdout_closed) {
    close_reader_of_stdout();
  } else {
    const std::string path =
        setup.stdout_path.empty() ? (streams / "out").string() : setup.stdout_path;
    redirect(STDOUT_FILENO, path, O_WRONLY | O_CREAT);
  }
  if (setup.stderr_descriptor < 0) {
    redirect(STDERR_FILENO, streams / "err", O_WRONLY | O_CREAT);
  } else {
    dup2(setup.stderr_descriptor, STDERR_FILENO);
  }
  forget_settings(streams);
  for (const auto& [name, value] : setup.environment) setenv(name.c_str(), value.c_str(), 1);
  if (chdir(setup.folder.c_str()) != 0) _exit(kExecFailed);
  if (setup.folder_deleted && rmdir(std::filesystem::current_path().c_str()) != 0)
    _exit(kExecFailed);
  for (const int descriptor : setup.closed_descriptors) close(descriptor);
  if (setup.file_limit) {
    const rlimit limit{*setup.file_limit, *setup.file_limit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<std::string> words = {"sd"};
  words.insert(words.end(), setup.arguments.begin(), setup.arguments.end());
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv(setup.binary.c_str(), pointers.data());
  _exit(kExecFailed);
}

}  // namespace

std::vector<std::string> Finished::lines() const {
  std::vector<std::string> all;
  std::istringstream text(out);
  for (std::string line; std::getline(text, line);) all.push_back(line);
  return all;
}

Process::Process(const ProcessSetup& setup) {
  write_text(streams_ / "in", setup.input);
  process_ = fork();
  if (process_ == 0) become(setup, streams_.path());
}

Process::~Process() {
  if (process_ <= 0 || ended()) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

void Process::signal(int number) const { kill(process_, number); }

bool Process::ended() {
  if (!ended_) ended_ = waitpid(process_, &status_, WNOHANG) == process_;
  return ended_;
}

bool Process::wait_until(const std::function<bool()>& condition) {
  while (!condition()) {
    if (ended()) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

Finished Process::wait() {
  while (!ended()) std::this_thread::sleep_for(kPoll);
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return {code, read_text(streams_ / "out"), read_text(streams_ / "err")};
}

Finished run_program(const ProcessSetup& setup) { return Process(setup).wait(); }

Finished run_sd(const std::vector<std::string>& arguments) {
  ProcessSetup setup;
  setup.arguments = arguments;
  const TempFolder cache;  // hashes are remembered in a file of the user's otherwise
  setup.environment = {{"XDG_CACHE_HOME", cache.path().string()}};
  return run_program(setup);
}

}  // namespace sd::test
