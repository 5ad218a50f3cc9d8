#pragma once

namespace sd {

/// Lets the threads of LibTorch's OpenMP library (libgomp) sleep soon when they wait for one
/// another, where `threads` of them compute. By default they wait in loops of 300,000 turns, and
/// where another program has one of the cores that makes small models up to a hundred times slower.
/// Whatever `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` say stays.
void limit_waiting_in_loops(int threads);

}  // namespace sd
