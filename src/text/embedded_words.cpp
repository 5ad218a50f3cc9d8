#include "sd/text/embedded_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sd/core/error.h"

namespace sd {

EmbeddedWords::EmbeddedWords(std::shared_ptr<const Tokenizer> tokenizer,
                             std::vector<WordEmbedding> embeddings)
    : Tokenizer(tokenizer->specials(), tokenizer->length()),
      tokenizer_(std::move(tokenizer)),
      embeddings_(std::move(embeddings)) {
  const int64_t room = length() - 1 - (specials().begin ? 1 : 0);
  for (std::size_t i = 0; i < embeddings_.size(); ++i) {
    const auto& embedding = embeddings_[i];
    if (embedding.vectors > room) {
      throw UsageError(fmt::format("the embedding '{}' has {} vectors, a prompt room for {}",
                                   embedding.name, embedding.vectors, room));
    }
    begins_.push_back(vectors_);
    vectors_ += embedding.vectors;
    add_name(embedding.name, i);
    if (!embedding.alias.empty() && embedding.alias != embedding.name) add_name(embedding.alias, i);
  }
  std::stable_sort(names_.begin(), names_.end(), [](const Name& one, const Name& other) {
    return one.ids.size() > other.ids.size();
  });
}

void EmbeddedWords::add_name(const std::string& name, std::size_t embedding) {
  Name added{{}, embedding};
  for (const auto& token : tokenizer_->tokenize(name)) added.ids.push_back(token.id);
  if (added.ids.empty()) {
    throw UsageError(
        fmt::format("the embedding's name '{}' is no word to the model's tokenizer: "
                    "give its file another name",
                    name));
  }
  for (const auto& known : names_) {
    if (known.ids != added.ids) continue;
    if (known.embedding == embedding) return;  // it is called so twice
    throw UsageError(fmt::format(
        "two embeddings have names that the model's tokenizer reads alike, '{}' and '{}': leave "
        "one out, or give its file another name",
        embeddings_[known.embedding].name, name));
  }
  names_.push_back(std::move(added));
}

const EmbeddedWords::Name* EmbeddedWords::name_at(const std::vector<Token>& tokens,
                                                  std::size_t first) const {
  const auto stands_here = [&](const Name& name) {
    if (name.ids.size() > tokens.size() - first) return false;
    for (std::size_t i = 0; i < name.ids.size(); ++i) {
      if (tokens[first + i].id != name.ids[i]) return false;
    }
    return true;
  };
  const auto found = std::find_if(names_.begin(), names_.end(), stands_here);
  return found == names_.end() ? nullptr : &*found;
}

std::vector<Token> EmbeddedWords::tokenize(std::string_view text) const {
  const auto plain = tokenizer_->tokenize(text);
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < plain.size();) {
    const auto* name = name_at(plain, i);
    if (name == nullptr) {
      tokens.push_back(plain[i++]);
      continue;
    }
    std::size_t begin = plain[i].begin, end = plain[i].end;
    for (std::size_t k = i; k < i + name->ids.size(); ++k) {
      begin = std::min(begin, plain[k].begin);
      end = std::max(end, plain[k].end);
    }
    const int64_t first = first_id() + begins_[name->embedding];
    for (int64_t k = 0; k < embeddings_[name->embedding].vectors; ++k)
      tokens.push_back({first + k, begin, end, /*whole=*/true});
    i += name->ids.size();
  }
  return tokens;
}

std::size_t EmbeddedWords::embedding_of(int64_t id) const {
  const auto behind = std::upper_bound(begins_.begin(), begins_.end(), id - first_id());
  return static_cast<std::size_t>(behind - begins_.begin()) - 1;
}

std::string EmbeddedWords::decode(int64_t id) const {
  if (id < first_id() || id >= vocabulary()) return tokenizer_->decode(id);
  return embeddings_[embedding_of(id)].name;
}

std::vector<float> EmbeddedWords::values() const {
  std::vector<float> values;
  for (const auto& embedding : embeddings_)
    values.insert(values.end(), embedding.values.begin(), embedding.values.end());
  return values;
}

}  // namespace sd
