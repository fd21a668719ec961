#pragma once

/** Sends what whisper.cpp and ggml log to log_line(), as whole lines. Call once. */
void forward_ggml_log();
