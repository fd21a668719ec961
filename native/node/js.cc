#include "node/js.h"

#include <cmath>
#include <utility>

namespace js {

namespace {

std::string type_of(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "boolean";
    case napi_number:
      return "number";
    case napi_string:
      return "string";
    case napi_symbol:
      return "symbol";
    case napi_function:
      return "function";
    case napi_bigint:
      return "bigint";
    default:
      return "object";
  }
}

/** Text for a message: short, and never the contents of an object. */
std::string shown(const Napi::Value& value) {
  constexpr size_t longest = 60;
  if (value.IsObject() || value.IsSymbol() || value.IsFunction()) return "one";
  std::string text = value.ToString().Utf8Value();
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  return value.IsString() ? "\"" + text + "\"" : text;
}

std::string sentence(const std::string& what, const std::string& name, const Napi::Value& received) {
  return "Expected " + what + " for " + name + " but received " + shown(received) + " of type " +
         type_of(received);
}

std::string plain(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

Napi::TypeError expected(const std::string& what, const std::string& name, const Napi::Value& received) {
  return Napi::TypeError::New(received.Env(), sentence(what, name, received));
}

std::string string(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) throw expected("a string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

bool boolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) throw expected("a boolean", name, value);
  return value.As<Napi::Boolean>().Value();
}

double number(const Napi::Value& value, const std::string& name, double low, double high) {
  const std::string what = "a number from " + plain(low) + " to " + plain(high);
  if (!value.IsNumber()) throw expected(what, name, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  // written so that NaN is refused
  if (!(number >= low && number <= high))
    throw Napi::RangeError::New(value.Env(), sentence(what, name, value));
  return number;
}

int64_t integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high) {
  const double found = number(value, name, static_cast<double>(low), static_cast<double>(high));
  if (std::floor(found) != found)
    throw Napi::RangeError::New(value.Env(), sentence("an integer", name, value));
  return static_cast<int64_t>(found);
}

Napi::Object object(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject() || value.IsFunction()) throw expected("an object", name, value);
  return value.As<Napi::Object>();
}

Napi::Function function(const Napi::Value& value, const std::string& name) {
  if (!value.IsFunction()) throw expected("a function", name, value);
  return value.As<Napi::Function>();
}

size_t choice(const Napi::Value& value, const std::string& name, std::initializer_list<const char*> choices) {
  std::string what = "one of";
  size_t index = 0;
  for (const char* each : choices) {
    if (value.IsString() && value.As<Napi::String>().Utf8Value() == each) return index;
    what += std::string(index == 0 ? " " : ", ") + "\"" + each + "\"";
    ++index;
  }
  throw expected(what, name, value);
}

Napi::Error error(Napi::Env env, const std::string& code, const std::string& message) {
  const Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Napi::Object job(Napi::Env env, Work work) {
  const auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
  std::shared_ptr<Background> background;
  try {
    background = Background::start(
        env,
        [to = deferred.get(), work = std::move(work)](Background& self) {
          guarded(
              [&] {
                self.post([to, make = work(self.cancelled())](Napi::Env on) { to->Resolve(make(on)); });
              },
              [&](const std::string& code, const std::string& message) {
                self.post(
                    [to, code, message](Napi::Env on) { to->Reject(error(on, code, message).Value()); });
              });
        },
        [deferred](Napi::Env) {});
  } catch (const Error& failure) {
    deferred->Reject(error(env, failure.code(), failure.what()).Value());
  }

  const Napi::Object result = Napi::Object::New(env);
  result.Set("result", deferred->Promise());
  result.Set("cancel", Napi::Function::New(env, [background](const Napi::CallbackInfo&) {
               if (background) background->cancel();
             }));
  return result;
}

}  // namespace js
