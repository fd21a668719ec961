#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>

#include "error.h"
#include "node/background.h"

// Reading arguments and making values. Wrong types throw TypeError, wrong ranges RangeError, both with the
// message "Expected X for name but received Y of type Z". JS thread only.
namespace js {

/** No time that crosses the boundary is longer: a week. */
constexpr int64_t kLongestMs = int64_t{7} * 24 * 3600 * 1000;

Napi::TypeError expected(const std::string& what, const std::string& name, const Napi::Value& received);

std::string string(const Napi::Value& value, const std::string& name);
bool boolean(const Napi::Value& value, const std::string& name);
double number(const Napi::Value& value, const std::string& name, double low, double high);
int64_t integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high);
Napi::Object object(const Napi::Value& value, const std::string& name);
Napi::Function function(const Napi::Value& value, const std::string& name);
/** Index of the string among the choices. */
size_t choice(const Napi::Value& value, const std::string& name, std::initializer_list<const char*> choices);

/** An Error with `code`. */
Napi::Error error(Napi::Env env, const std::string& code, const std::string& message);

/** Runs `body` on the JS thread: its Error is thrown with its code. */
template <typename Body>
auto with_code(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const Error& failure) {
    throw error(env, failure.code(), failure.what());
  }
}

/** Runs a thread's body: every exception becomes a Failure, none leaves. */
template <typename Failed>
void guarded(const std::function<void()>& body, Failed failed) noexcept {
  try {
    body();
  } catch (const Error& error) {
    failed(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    failed("out_of_memory", "Not enough memory");
  } catch (const std::exception& error) {
    failed("internal", error.what());
  }
}

/** Work on a thread; what it returns makes the result on the JS thread. */
using Work = std::function<std::function<Napi::Value(Napi::Env)>(const std::atomic<bool>& cancelled)>;

/** A Job of src/native.ts: `work` runs on a thread of its own. Its result is rejected when there is none. */
Napi::Object job(Napi::Env env, Work work);

}  // namespace js
