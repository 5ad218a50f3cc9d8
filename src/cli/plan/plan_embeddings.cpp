#include "cli/plan/plan_embeddings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cli/models/embedding_info.h"
#include "cli/models/find_model.h"
#include "cli/models/named_embeddings.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "sd/pipeline/embeddings.h"
#include "sd/text/network_tags.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {
namespace {

/// One that a prompt may name. Those of a folder are read when one does.
struct Candidate {
  std::filesystem::path path;
  WordEmbedding embedding;  // without values until it is read
  bool given = false;
};

std::vector<int64_t> ids_of(const std::string& name, const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (const auto& token : tokenizer.tokenize(name)) ids.push_back(token.id);
  return ids;
}

/// Whether a prompt has a text in angle brackets, as diffusers' tokens are written.
bool may_have_tokens(const std::vector<std::string>& prompts) {
  return std::ranges::any_of(prompts, [](const std::string& prompt) {
    const auto text = blank_network_tags(prompt);
    const auto begin = text.find('<');
    return begin != text.npos && text.find('>', begin) != text.npos;
  });
}

/// The token inside a file of a folder; empty where it has none or is something else.
std::string token_in(const std::filesystem::path& path) {
  try {
    auto token = read_embedding(path).alias;
    return token.starts_with('<') ? token : std::string();
  } catch (const Error&) {
    return {};  // if a prompt names the file, reading it again says what is wrong
  }
}

std::vector<Candidate> candidates_of(const DrawOptions& options,
                                     const std::vector<std::string>& prompts,
                                     const Tokenizer& tokenizer) {
  std::vector<Candidate> candidates;
  std::set<std::vector<int64_t>> known;
  for (const auto& path : options.embeddings) {
    require_model("--embedding: ", path);
    candidates.push_back({path, read_embedding(path), true});
    const auto& embedding = candidates.back().embedding;
    known.insert(ids_of(embedding.name, tokenizer));
    known.insert(ids_of(embedding.alias, tokenizer));
  }
  const auto named = named_embeddings(embedding_folders());
  const bool tokens = !named.empty() && may_have_tokens(prompts);
  for (const auto& [name, path] : named) {
    auto ids = ids_of(name, tokenizer);
    if (ids.empty() || !known.insert(std::move(ids)).second) continue;
    WordEmbedding embedding{name, tokens ? token_in(path) : "", 1, 0, {}};
    if (!known.insert(ids_of(embedding.alias, tokenizer)).second) embedding.alias.clear();
    candidates.push_back({path, std::move(embedding), false});
  }
  return candidates;
}

/// Those that a prompt names, by their places.
std::set<std::size_t> named_in(const std::vector<std::string>& prompts, const DrawOptions& options,
                               const std::vector<Candidate>& candidates,
                               const std::shared_ptr<const Tokenizer>& tokenizer) {
  std::vector<WordEmbedding> names;
  for (const auto& candidate : candidates)
    names.push_back({candidate.embedding.name, candidate.embedding.alias, 1, 0, {}});
  const auto words = std::make_shared<EmbeddedWords>(tokenizer, std::move(names));
  const auto reader =
      PromptReader(words, options.prompt_syntax, options.steps).without_composition();
  std::set<std::size_t> found;
  for (const auto& prompt : prompts) {
    const auto encoded = reader->encode(prompt);
    for (const auto* some : {&encoded.tokens, &encoded.cut, &encoded.moved}) {
      for (const auto& token : *some) {
        if (token.whole) found.insert(words->embedding_of(token.id));
      }
    }
  }
  return found;
}

}  // namespace

std::shared_ptr<const Tokenizer> PlanEmbeddings::tokenizer(const InspectedModel& model) const {
  if (words) return words;
  return model.tokenizer;
}

PlanEmbeddings plan_embeddings(const DrawOptions& options, const std::vector<std::string>& prompts,
                               const InspectedModel& model, const Say& say) {
  PlanEmbeddings plan;
  auto candidates = candidates_of(options, prompts, *model.tokenizer);
  if (candidates.empty()) return plan;
  const auto named = named_in(prompts, options, candidates, model.tokenizer);
  std::vector<WordEmbedding> embeddings;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    auto& [path, embedding, given] = candidates[i];
    if (!named.contains(i)) {
      if (!given || options.quiet) continue;
      say(fmt::format("--embedding: '{}' stands in no prompt, so {} is not used", embedding.name,
                      path.string()));
      continue;
    }
    if (!given) {
      auto names = std::move(embedding);
      embedding = read_embedding(path);
      embedding.name = std::move(names.name);
      embedding.alias = std::move(names.alias);
    }
    plan.used.push_back(
        {embedding.name, path.filename().string(), sha256_file(path).substr(0, kEmbeddingHash)});
    embeddings.push_back(std::move(embedding));
  }
  if (!embeddings.empty())
    plan.words = with_embeddings(model.tokenizer, model.config.text, std::move(embeddings));
  return plan;
}

}  // namespace sd::cli
