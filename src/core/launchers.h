#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sd {

/// What starts several processes that share work, and the variables by which each knows itself.
struct Launcher {
  const char* name;  // for people
  const char* rank;
  const char* size;
  const char* local_rank;  // among the processes of one machine
};

/// MPI first: within an allocation of Slurm its daemons are started by srun, and what they start
/// has srun's variables too. SLURM_NTASKS is not asked, since a batch script that starts one
/// process has it as well. PMI is MPICH's and its kin's; srun may speak it too.
inline constexpr std::array<Launcher, 4> kLaunchers = {{
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK"},
    {"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
}};

std::optional<int64_t> whole_number(std::string_view text);

/// A launcher's variable as a whole number from `least` on; nothing if it is not set. Throws
/// UsageError with `advice` if it is something else.
std::optional<int64_t> launcher_variable(const char* name, int64_t least, std::string_view advice);

/// Which of a launcher's processes on this machine this is, from 0; nothing if it was started
/// alone. Throws UsageError naming the variable if it is no number.
std::optional<int64_t> local_rank();

}  // namespace sd
