#include "text/sentence_piece_module.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string_view>

namespace sd {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

const Processor& processor(const void* model) { return *static_cast<const Processor*>(model); }

void* open_model(const char* bytes, std::size_t size, char* error, std::size_t error_size) {
  try {
    auto model = std::make_unique<Processor>();
    const auto status = model->LoadFromSerializedProto(std::string_view(bytes, size));
    if (status.ok()) return model.release();
    std::snprintf(error, error_size, "%s", status.error_message());
  } catch (const std::exception& problem) {
    std::snprintf(error, error_size, "%s", problem.what());
  }
  return nullptr;
}

void close_model(void* model) { delete static_cast<Processor*>(model); }

int size_of_model(const void* model) { return processor(model).GetPieceSize(); }

const char* piece_of(const void* model, int id) { return processor(model).IdToPiece(id).c_str(); }

int id_of(const void* model, const char* piece) {
  const int id = processor(model).PieceToId(piece);  // that of the unknown piece for any other
  return processor(model).IdToPiece(id) == piece ? id : -1;
}

bool encode_text(const void* model, const char* text, std::size_t size, void* context,
                 void (*take)(void*, int, std::size_t, std::size_t)) {
  try {
    const auto encoded = processor(model).EncodeAsImmutableProto(std::string_view(text, size));
    for (const auto& piece : encoded.pieces()) {
      take(context, static_cast<int>(piece.id()), piece.begin(), piece.end());
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

constexpr SentencePieceModule kModule{open_model, close_model, size_of_model,
                                      piece_of,   id_of,       encode_text};

}  // namespace
}  // namespace sd

extern "C" __attribute__((visibility("default"))) const sd::SentencePieceModule*
sd_sentence_piece_v1() {
  return &sd::kModule;
}
