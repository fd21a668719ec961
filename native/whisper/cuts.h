#pragma once

#include <cstddef>
#include <vector>

/**
 * Cuts 16 kHz samples into pieces of at most 30 seconds, where it is quietest in the last third of each.
 * Returns the places from 0 to `count`; two for what is short enough.
 */
std::vector<size_t> cut_at_silences(const float* samples, size_t count);
