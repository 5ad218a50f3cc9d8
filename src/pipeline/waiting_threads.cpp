#include "pipeline/waiting_threads.h"

#include <omp.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace sd {
namespace {

/// Makes a team of so many threads and keeps it, asleep, to the end of the process. Throws
/// std::system_error if the system has no thread for it.
void keep_team(int threads) {
  std::promise<void> made;
  auto ready = made.get_future();
  std::thread([threads, made = std::move(made)]() mutable {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);  // signals are for the program's own threads
    std::atomic<int> members = 0;                 // an empty region would be left out
#pragma omp parallel num_threads(threads)
    ++members;
    made.set_value();
    while (true) pause();  // the team ends with its owner
  }).detach();
  ready.wait();
}

}  // namespace

// libgomp reads its variables when it is loaded, in a program that links LibTorch before main. But
// it counts its threads: while there are more than CPUs, they wait in loops of 1,000 turns at most
// (libgomp's manual, GOMP_SPINCOUNT). So a second team stands by, which never computes.
void limit_waiting_in_loops(int threads) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  static std::mutex mutex;
  static int standing_by = 0;  // beside the team that computes
  const std::lock_guard lock(mutex);
  const int missing = omp_get_num_procs() + 1 - threads - standing_by;
  if (missing <= 0) return;
  try {
    keep_team(missing + 1);  // the owner is one of the team, and was there before
  } catch (const std::system_error&) {
    return;  // no more threads can be had: it is slower, nothing else
  }
  standing_by += missing;
}

}  // namespace sd
