#pragma once

namespace sd::cli {

/// What every program's main begins with. Each of the descriptors 0 to 2 that is closed is opened
/// on /dev/null. Otherwise a file of ours could get its number, and what is printed would go into
/// that file. SIGPIPE and SIGXFSZ are ignored: the write that meets a reader who left, or a limit
/// of `ulimit -f`, reports it.
void prepare_standard_streams();

/// Throws IoError if the working folder was deleted: relative paths lead nowhere then, and
/// libraries that are loaded later end the process in their own words.
void require_working_folder();

/// What every program's main ends with. `error` and `error_of_engine` are errno of the first write
/// to stdout that failed in each half of the program, 0 if none did. If one failed, a message says
/// that stdout did not take everything. Returns the exit code: that of an I/O error if a write
/// failed and all else went well, otherwise `code`.
int conclude_output(int code, int error, int error_of_engine = 0);

/// The last thing every program does. Ends the process with `code`, without the clean-up of static
/// objects: LibTorch's takes a twentieth of a second, for memory that the kernel takes back anyway.
/// What was printed is flushed. A build with a sanitizer cleans up, to be told of leaks.
[[noreturn]] void end_process(int code);

}  // namespace sd::cli
