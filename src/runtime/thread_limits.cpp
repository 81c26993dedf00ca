#include "runtime/thread_limits.hpp"

#include <array>
#include <dlfcn.h>
#include <initializer_list>
#include <utility>

namespace polyreme::runtime {

namespace {

/// Two functions of one library, or nulls. First among what every part of the program sees; then in a library of one of
/// these names, which may have been loaded for an extension module alone.
template <class First, class Second>
std::pair<First, Second> find(const char* first, const char* second, std::initializer_list<const char*> libraries) {
  const auto both = [&](void* where) {
    return std::pair(reinterpret_cast<First>(dlsym(where, first)), reinterpret_cast<Second>(dlsym(where, second)));
  };
  const auto complete = [](const auto& found) { return found.first != nullptr && found.second != nullptr; };
  auto found = both(RTLD_DEFAULT);
  for (const char* const name : libraries) {
    if (complete(found)) return found;
    void* const library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    if (library == nullptr) continue;
    found = both(library);
    dlclose(library);  // whoever loaded it keeps it
  }
  return complete(found) ? found : std::pair<First, Second>();
}

}  // namespace

ThreadLimits::ThreadLimits(std::uint32_t threads) noexcept {
  using Get = int (*)();
  const auto [set_openmp, get_openmp] = find<SetOpenMp, Get>("omp_set_num_threads", "omp_get_max_threads",
                                                             {"libgomp.so.1", "libomp.so.5", "libiomp5.so"});
  if (set_openmp != nullptr) {
    openmp_before_ = get_openmp();
    set_openmp_ = set_openmp;
    set_openmp_(static_cast<int>(threads));
  }
  const auto [set_mkl, get_mkl] =
      find<SetMkl, Get>("MKL_Set_Num_Threads_Local", "MKL_Get_Max_Threads", {"libmkl_rt.so.2", "libmkl_rt.so.1"});
  if (set_mkl != nullptr && get_mkl != nullptr) {
    set_mkl_ = set_mkl;
    mkl_before_ = set_mkl_(static_cast<int>(threads));
  }
}

ThreadLimits::~ThreadLimits() {
  if (set_openmp_ != nullptr) set_openmp_(openmp_before_);
  if (set_mkl_ != nullptr) static_cast<void>(set_mkl_(mkl_before_));
}

}  // namespace polyreme::runtime
