// Audio that still comes, sample by sample, which JavaScript does not see: `live [SILERO'S WEIGHTS]`. Ends
// with 1 after the first difference. Also for the sanitizers (scripts/sanitize.mjs).
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "audio/audio.h"
#include "live/live.h"
#include "live/stream.h"
#include "whisper/ggml_log.h"

namespace {

using Bytes = std::vector<uint8_t>;
using Floats = std::vector<float>;

constexpr int kSeconds = 3;
constexpr double kPi = 3.14159265358979323846;
constexpr float kAmplitude = 0.5F;

std::mt19937 generator(1);

size_t random_to(size_t most) {
  return std::uniform_int_distribution<size_t>(1, most)(generator);
}

void expect(bool fulfilled, const std::string& what, double found) {
  if (fulfilled) return;
  std::printf("%s: %g\n", what.c_str(), found);
  std::exit(1);
}

double sine(double hertz, double seconds) {
  return kAmplitude * std::sin(2 * kPi * hertz * seconds);
}

/** Three seconds, as 16-bit samples. */
Bytes sine_bytes(double hertz, int rate) {
  Bytes bytes;
  for (int i = 0; i < kSeconds * rate; ++i) {
    const auto sample = static_cast<int>(std::lround(sine(hertz, static_cast<double>(i) / rate) * 32768));
    bytes.push_back(static_cast<uint8_t>(sample & 0xFF));
    bytes.push_back(static_cast<uint8_t>((sample >> 8) & 0xFF));
  }
  return bytes;
}

Bytes wav(const Bytes& data, int rate) {
  Bytes file;
  const auto text = [&](const char* four) { file.insert(file.end(), four, four + 4); };
  const auto number = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  const auto size = static_cast<uint32_t>(data.size());
  text("RIFF");
  number(36 + size, 4);
  text("WAVE");
  text("fmt ");
  number(16, 4);
  number(1, 2);
  number(1, 2);
  number(static_cast<uint32_t>(rate), 4);
  number(static_cast<uint32_t>(rate) * 2, 4);
  number(2, 2);
  number(16, 2);
  text("data");
  number(size, 4);
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

void append_in_pieces(Stream& stream, const Bytes& bytes, size_t most) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min(random_to(most), bytes.size() - at);
    stream.append(bytes.data() + at, size);
    at += size;
  }
}

/** Everything that a stream makes of the bytes in pieces of 1 to `most`. */
Floats resampled(const Bytes& bytes, int rate, size_t most) {
  Stream stream(rate, "");
  append_in_pieces(stream, bytes, most);
  return stream.cut(0, kSeconds * 1000);
}

void resampling() {
  for (const int rate : {8000, 11025, 15999, 16000, 22050, 24000, 44100, 48000, 96000}) {
    const std::string name = std::to_string(rate) + " Hz, ";
    const Bytes bytes = sine_bytes(440, rate);
    const Floats whole = resampled(bytes, rate, bytes.size());
    for (const size_t most : {1, 7, 1000, 100000}) {
      expect(resampled(bytes, rate, most) == whole, name + "other samples in pieces up to", double(most));
    }
    const double missing = kSeconds * kSampleRate - static_cast<double>(whole.size());
    expect(missing >= 0 && missing <= 3.2 * kSampleRate / 1000, name + "samples are missing", missing);

    double error = 0;
    double jump = 0;
    // a sine that begins has a spectrum of its own for the first milliseconds
    for (size_t i = kSampleRate / 50; i < whole.size(); ++i) {
      error = std::max(error, std::abs(whole[i] - sine(440, static_cast<double>(i) / kSampleRate)));
      jump = std::max(jump, static_cast<double>(std::abs(whole[i] - whole[i - 1])));
    }
    expect(error < 1e-3, name + "differs from the sine by", error);
    expect(jump < kAmplitude * 2 * kPi * 440 / kSampleRate * 1.01, name + "jumps by", jump);

    const Bytes file = wav(bytes, rate);
    const Audio decoded = decode_bytes(file.data(), file.size(), {}, std::atomic<bool>{false});
    error = 0;
    const size_t end = std::min(whole.size(), decoded.samples()) - kSampleRate / 50;
    for (size_t i = kSampleRate / 50; i < end; ++i) {
      error = std::max(error, static_cast<double>(std::abs(whole[i] - decoded.channels.front()[i])));
    }
    expect(error < 1e-3, name + "differs from the decoder's by", error);
  }
  double loudest = 0;
  const Floats alias = resampled(sine_bytes(10000, 48000), 48000, 4800);
  for (size_t i = kSampleRate / 50; i < alias.size(); ++i)
    loudest = std::max(loudest, std::abs(double(alias[i])));
  expect(loudest < 1e-3, "10 kHz can be heard at 16 kHz", loudest);
}

/** Sample k is k, so that each tells where it was. */
Bytes ramp(int from, int to) {
  Bytes bytes;
  for (int i = from; i < to; ++i) {
    bytes.push_back(static_cast<uint8_t>(i & 0xFF));
    bytes.push_back(static_cast<uint8_t>(i >> 8));
  }
  return bytes;
}

void expect_ramp(const Floats& found, size_t from, size_t to, const std::string& what) {
  expect(found.size() == to - from, what + ", samples", static_cast<double>(found.size()));
  for (size_t i = 0; i < found.size(); ++i) {
    const float expected = static_cast<float>(from + i) / 32768;
    expect(found[i] == expected, what + ", sample " + std::to_string(i), found[i]);
  }
}

void cutting() {
  Stream stream(kSampleRate, "");
  append_in_pieces(stream, ramp(0, 16000), 3000);
  expect_ramp(stream.cut(250, 750), 4000, 12000, "a cut");
  expect_ramp(stream.cut(900, 2000), 14400, 16000, "a cut beyond the end");
  expect_ramp(stream.cut(3000, 4000), 0, 0, "a cut behind the end");
  stream.forget(500);
  expect_ramp(stream.cut(0, 250), 0, 4000, "what is forgotten before it is judged");
  expect(stream.judge(1000).size() == 31, "frames", static_cast<double>(stream.unjudged()));
  expect(stream.judged_ms() == 992, "judged", static_cast<double>(stream.judged_ms()));
  expect_ramp(stream.cut(0, 750), 8000, 12000, "a cut that begins in what was forgotten");
  append_in_pieces(stream, ramp(16000, 32000), 3000);
  stream.forget(1500);
  expect_ramp(stream.cut(900, 2000), 14400 + 1472, 32000, "what is not judged is kept");
  stream.judge(1000);
  expect_ramp(stream.cut(900, 2000), 24000, 32000, "and is not when it was");
}

/** A Live with its thread. */
class Running {
 public:
  explicit Running(const Live::Options& options) : live(options) {}
  ~Running() { stop(); }

  void start() {
    thread_ = std::thread([this] {
      Live::Events events;
      events.frames = [this](const Floats& probabilities, int64_t end_ms) {
        frames += probabilities.size();
        in_order = in_order && end_ms == static_cast<int64_t>(frames) * Stream::kFrameMs;
      };
      events.cut = [this](const Floats& samples) { cuts.push_back(samples.size()); };
      events.idle = [this](int64_t done) { idle = done; };
      live.run(cancelled_, events);
    });
  }
  void stop() {
    cancelled_ = true;
    live.wake();
    if (thread_.joinable()) thread_.join();
  }

  Live live;
  // the thread's, until it has stopped
  size_t frames = 0;
  bool in_order = true;
  std::vector<size_t> cuts;
  int64_t idle = 0;

 private:
  std::atomic<bool> cancelled_{false};
  std::thread thread_;
};

/** Threads that come and end at any time, while much waits for them. */
void threads(const std::string& vad_model) {
  const Bytes second = sine_bytes(300, 8000);
  for (int round = 0; round < 50; ++round) {
    Running running({24000, vad_model, 20000});
    if (round % 2 == 0) running.start();
    size_t asked = 0;
    for (int i = 0; i < 20; ++i) {
      const bool taken = running.live.append(second.data(), random_to(second.size()));
      running.live.cut(running.live.forgotten_ms(), running.live.appended_ms());
      ++asked;
      if (i % 3 == 2) running.live.forget(running.live.appended_ms() - 500);
      expect(running.live.appended_ms() - running.live.forgotten_ms() <= 20000, "too much is kept", i);
      if (!taken) std::this_thread::yield();
    }
    if (round % 2 == 1) running.start();
    running.stop();
    expect(running.in_order, "frames out of order, round", round);
    expect(running.idle <= running.live.tasks(), "tasks that nobody made", static_cast<double>(running.idle));
    expect(running.cuts.size() <= asked, "cuts that nobody asked for", static_cast<double>(asked));
  }
}

}  // namespace

int main(int count, char** arguments) {
  forward_ggml_log();
  resampling();
  cutting();
  threads("");
  if (count > 1) threads(arguments[1]);
  std::printf("ok\n");
}
