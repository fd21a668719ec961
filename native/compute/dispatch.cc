#include "compute/kernels.h"

const Kernels& kernels() {
#ifdef __x86_64__
  static const Kernels& best = []() -> const Kernels& {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return baseline::table;
    return __builtin_cpu_supports("avx512f") ? avx512::table : avx2::table;
  }();
  return best;
#else
  return baseline::table;
#endif
}
