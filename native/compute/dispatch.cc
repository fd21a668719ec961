#include "compute/kernels.h"

// One of these for each time that kernels.cc is compiled.
namespace baseline {
extern const Kernels table;
}
#ifdef __x86_64__
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif

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
