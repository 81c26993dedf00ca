// How many threads the libraries that a body calls may use, as far as they have a limit that is the calling thread's.
//
// OpenMP (GNU, LLVM, Intel): omp_set_num_threads sets a variable of the calling thread, so a body's regions get as many
// threads as it has cores, and no other thread notices. MKL: mkl_set_num_threads_local. An OpenBLAS that is built on
// pthreads has one limit for the whole process; it is left alone.
//
// The libraries are found where the program has loaded them already, and never loaded or linked.
#pragma once

#include <cstdint>

namespace polyreme::runtime {

/// Sets the limits of the calling thread for as long as it lives.
class ThreadLimits {
 public:
  explicit ThreadLimits(std::uint32_t threads) noexcept;
  ThreadLimits(const ThreadLimits&) = delete;
  ThreadLimits& operator=(const ThreadLimits&) = delete;
  ~ThreadLimits();

 private:
  using SetOpenMp = void (*)(int);
  using SetMkl = int (*)(int);
  SetOpenMp set_openmp_ = nullptr;  ///< null: not loaded
  SetMkl set_mkl_ = nullptr;
  int openmp_before_ = 0;
  int mkl_before_ = 0;  ///< 0: the limit of the process
};

}  // namespace polyreme::runtime
