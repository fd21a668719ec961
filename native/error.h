#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>

/** The one exception of this addon: `code` is a NativeErrorCode of src/native.ts. Never leaves a thread or a
 * callback. */
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

/** For a run, at every place where it can stop. */
inline void throw_if_cancelled(const std::atomic<bool>& cancelled) {
  if (cancelled) throw Error("cancelled", "The run was cancelled");
}
