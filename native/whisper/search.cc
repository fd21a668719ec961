#include "whisper/search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "error.h"

namespace {

/** A sequence under way. */
struct Candidate {
  std::vector<int> tokens;
  std::vector<float> logprobs;
  float sum = 0;
  /** It ended with the end-of-text token, which is in `sum` but not in `tokens`. */
  bool finished = false;

  Candidate with(int token, float logprob, int eot) const {
    Candidate next = *this;
    next.sum += logprob;
    next.finished = token == eot;
    if (!next.finished) {
      next.tokens.push_back(token);
      next.logprobs.push_back(logprob);
    }
    return next;
  }
};

/** MaximumLikelihoodRanker: the sum over the length, or over Google NMT's penalty when there is one. */
float score_of(const Candidate& candidate, float length_penalty) {
  const auto length = static_cast<float>(std::max<size_t>(candidate.tokens.size(), 1));
  return candidate.sum / (length_penalty < 0 ? length : std::pow((5 + length) / 6, length_penalty));
}

class Search {
 public:
  Search(const SearchContext& context, float temperature, std::mt19937& random)
      : context_(context),
        vocabulary_(context.session.weights().vocabulary()),
        temperature_(temperature),
        random_(random) {}

  Decoding run() {
    const bool beams = temperature_ == 0;
    const int lanes = beams ? context_.options.beam_size : context_.options.best_of;
    begin(lanes);
    std::vector<Candidate> done = beams && lanes > 1 ? beam_search(lanes) : sample(lanes);
    const auto best = std::max_element(done.begin(), done.end(), [&](const auto& a, const auto& b) {
      return score_of(a, context_.options.length_penalty) < score_of(b, context_.options.length_penalty);
    });
    tell_text(*best, best->tokens.size(), /*is_end=*/true);
    Decoding result{std::move(best->tokens), std::move(best->logprobs), 0};
    result.avg_logprob = best->sum / static_cast<float>(result.tokens.size() + 1);
    return result;
  }

 private:
  /** Decodes the prompt once and gives every lane a copy. */
  void begin(int lanes) {
    std::vector<Session::Input> inputs;
    for (const int token : context_.prompt) {
      inputs.push_back({token, static_cast<int>(inputs.size()), 0, false});
    }
    inputs.back().logits = true;
    context_.session.reset(lanes);
    context_.session.decode(inputs);
    context_.session.rearrange(std::vector<int>(static_cast<size_t>(lanes), 0));
    rows_.assign(static_cast<size_t>(lanes), inputs.size() - 1);
    position_ = static_cast<int>(inputs.size());
    const int context = context_.session.weights().network().text_context;
    // half of the context, as in DecodingTask; the prompt may leave less
    steps_ = std::min(context / 2, context - position_);
  }

  /** What may follow the candidate in `lane`. */
  Scores next(size_t lane, const Candidate& candidate) const {
    return context_.rules.apply(candidate.tokens, context_.session.logits(rows_[lane]));
  }

  std::vector<int> text_of(const Candidate& candidate) const {
    std::vector<int> text;
    std::copy_if(candidate.tokens.begin(), candidate.tokens.end(), std::back_inserter(text),
                 [&](int token) { return !vocabulary_.is_timestamp(token); });
    return text;
  }

  void tell(const Candidate& candidate, size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) context_.listener.token(candidate.tokens[i], candidate.logprobs[i]);
  }

  /** Tells the first `count` text tokens of the candidate, and the timestamps before each, as far as they are
   * new. */
  void tell_text(const Candidate& candidate, size_t count, bool is_end) {
    if (!context_.listener.token) return;
    size_t text = 0;
    size_t untold = 0;
    for (size_t i = 0; i < candidate.tokens.size() && text < count; ++i) {
      if (vocabulary_.is_timestamp(candidate.tokens[i])) continue;
      if (text++ >= told_) tell(candidate, untold, i + 1);
      untold = i + 1;
    }
    told_ = std::max(told_, text);
    if (is_end) tell(candidate, untold, candidate.tokens.size());
  }

  /** Tells the text that all candidates have in common: no decision is left there. They may differ in their
   * timestamps for long; those of the first one are told. */
  void tell_common(const std::vector<const std::vector<Candidate>*>& all) {
    if (!context_.listener.token) return;
    const Candidate* first = nullptr;
    std::vector<int> common;
    for (const auto* candidates : all) {
      for (const Candidate& each : *candidates) {
        const std::vector<int> text = text_of(each);
        if (!first) common = text;
        if (!first) first = &each;
        const size_t most = std::min(common.size(), text.size());
        const auto end = common.begin() + static_cast<std::ptrdiff_t>(most);
        common.erase(std::mismatch(common.begin(), end, text.begin()).first, common.end());
      }
    }
    if (first) tell_text(*first, common.size(), /*is_end=*/false);
  }

  /** Feeds the last token of each candidate that goes on to its lane. */
  void advance(const std::vector<Candidate>& candidates) {
    throw_if_cancelled(context_.cancelled);
    std::vector<Session::Input> inputs;
    for (size_t lane = 0; lane < candidates.size(); ++lane) {
      if (candidates[lane].finished) continue;
      rows_[lane] = inputs.size();
      inputs.push_back({candidates[lane].tokens.back(), position_, static_cast<int>(lane), true});
    }
    context_.session.decode(inputs);
    ++position_;
  }

  /** GreedyDecoder: the most probable token at temperature 0, else one drawn; each lane for itself. */
  std::vector<Candidate> sample(int lanes) {
    std::vector<Candidate> candidates(static_cast<size_t>(lanes));
    for (int step = 0; step < steps_; ++step) {
      if (step > 0) advance(candidates);
      for (size_t lane = 0; lane < candidates.size(); ++lane) {
        if (candidates[lane].finished) continue;
        const Scores scores = next(lane, candidates[lane]);
        const int token = temperature_ == 0 ? scores.best() : draw(scores);
        candidates[lane] = candidates[lane].with(token, scores.logprob(token), vocabulary_.eot);
      }
      tell_common({&candidates});
      if (std::all_of(candidates.begin(), candidates.end(), [](const auto& each) { return each.finished; }))
        break;
    }
    return candidates;
  }

  int draw(const Scores& scores) {
    std::vector<float> weights(scores.logits.size());
    std::transform(scores.logits.begin(), scores.logits.end(), weights.begin(),
                   [&](float logit) { return std::exp((logit - scores.log_sum) / temperature_); });
    return std::discrete_distribution<int>(weights.begin(), weights.end())(random_);
  }

  /** BeamSearchDecoder: ends when beams x patience sequences are finished. */
  std::vector<Candidate> beam_search(int beams) {
    struct Extension {
      size_t lane;
      int token;
      float logprob;
      float sum;
    };
    const int eot = vocabulary_.eot;
    const auto width = static_cast<size_t>(beams);
    const auto wanted =
        static_cast<size_t>(std::max(std::lround(static_cast<float>(beams) * context_.options.patience), 1L));
    std::vector<Candidate> alive(1);
    std::vector<Candidate> finished;
    for (int step = 0; step < steps_; ++step) {
      if (step > 0) advance(alive);
      std::vector<Extension> extensions;
      for (size_t lane = 0; lane < alive.size(); ++lane) {
        const Scores scores = next(lane, alive[lane]);
        for (const int token : scores.best(width + 1)) {
          extensions.push_back({lane, token, scores.logprob(token), alive[lane].sum + scores.logprob(token)});
        }
      }
      std::stable_sort(extensions.begin(), extensions.end(),
                       [](const auto& a, const auto& b) { return a.sum > b.sum; });

      std::vector<Candidate> survivors;
      std::vector<int> sources;
      for (const Extension& each : extensions) {
        if (survivors.size() == width) break;
        Candidate candidate = alive[each.lane].with(each.token, each.logprob, eot);
        if (!candidate.finished) {
          survivors.push_back(std::move(candidate));
          sources.push_back(static_cast<int>(each.lane));
        } else if (finished.size() < wanted) {
          finished.push_back(std::move(candidate));
        }
      }
      alive = std::move(survivors);
      tell_common({&alive, &finished});
      if (finished.size() >= wanted || alive.empty()) break;
      context_.session.rearrange(sources);
    }
    // too few have ended: the best of those under way, ended here
    std::stable_sort(alive.begin(), alive.end(), [](const auto& a, const auto& b) { return a.sum > b.sum; });
    for (Candidate& candidate : alive) {
      if (finished.size() >= wanted) break;
      finished.push_back(std::move(candidate));
    }
    return finished;
  }

  const SearchContext& context_;
  const Vocabulary& vocabulary_;
  const float temperature_;
  std::mt19937& random_;
  /** Where each lane's logits stand in the last batch. */
  std::vector<size_t> rows_;
  int position_ = 0;
  int steps_ = 0;
  /** How many text tokens the listener knows. */
  size_t told_ = 0;
};

}  // namespace

Decoding search(const SearchContext& context, float temperature, std::mt19937& random) {
  return Search(context, temperature, random).run();
}
