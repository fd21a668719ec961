#pragma once

/**
 * Makes libgomp's threads give up spinning early. Call once, on a thread that lives as long as the process.
 *
 * ggml's threads meet after every node of a graph. libgomp spins 300,000 rounds for a thread that is late,
 * but 1,000 when it manages more threads than there are cores (gomp_throttled_spin_count, do_wait in
 * libgomp's config/linux/wait.h). On a machine with other work the long spin burns the very core that the
 * late thread waits for: 10 to 25 times slower runs. The variable GOMP_SPINCOUNT would be read before we can
 * set it; a parked team of two makes the count exceed the cores.
 */
void throttle_openmp_spinning();
