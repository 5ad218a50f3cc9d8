#pragma once

namespace sd::cli {

/// What every program's main begins with. Of the descriptors 0 to 2 those that are closed are
/// opened on /dev/null, so that no file of ours gets such a number and, with it, what is printed.
/// SIGPIPE and SIGXFSZ are ignored: the write that meets a reader who left, or a limit of `ulimit
/// -f`, reports it.
void prepare_standard_streams();

/// Throws IoError if the working folder was deleted: relative paths lead nowhere then, and
/// libraries that are loaded later end the process in their own words.
void require_working_folder();

/// What every program's main ends with: says it if stdout did not take everything that was printed
/// (errno of the first write that failed in each half of the program, else 0). Returns the exit
/// code: `code`, but that of an I/O error where everything else went well.
int conclude_output(int code, int error, int error_of_engine = 0);

}  // namespace sd::cli
