#pragma once

// What the kernels' files share is compiled once for each instruction set. It must never become a
// function that the linker shares between them: the CPU may not have the other's instructions.
#define SD_VEC static inline __attribute__((always_inline))
