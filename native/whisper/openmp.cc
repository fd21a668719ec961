#include "whisper/openmp.h"

#ifdef _OPENMP
#include <omp.h>
#endif

void throttle_openmp_spinning() {
#ifdef _OPENMP
#pragma omp parallel num_threads(2)
  static_cast<void>(omp_get_thread_num());
#endif
}
