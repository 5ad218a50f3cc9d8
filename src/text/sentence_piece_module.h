#pragma once

#include <cstddef>

namespace sd {

/// libsentencepiece behind plain C, in a library of its own (libsd_sentencepiece.so): it brings
/// protobuf and absl along, whose symbols must not meet LibTorch's. No function throws.
struct SentencePieceModule {
  /// A model from the bytes of a spiece.model; null if it is none, `error` then says why.
  void* (*open)(const char* bytes, std::size_t size, char* error, std::size_t error_size);
  void (*close)(void* model);
  int (*size)(const void* model);
  /// The text of an id in [0, size); lives as long as the model.
  const char* (*piece)(const void* model, int id);
  /// The id of a piece, -1 if there is none of this text.
  int (*id)(const void* model, const char* piece);
  /// Calls take(context, id, begin, end) for each piece of `text` with the bytes [begin, end) that
  /// it came from. False if the text cannot be encoded.
  bool (*encode)(const void* model, const char* text, std::size_t size, void* context,
                 void (*take)(void* context, int id, std::size_t begin, std::size_t end));
};

}  // namespace sd

/// What the tokenizer looks up. The number goes up when SentencePieceModule changes.
extern "C" const sd::SentencePieceModule* sd_sentence_piece_v1();
