// An attention controller of one's own: every pixel pays a word three times the attention.
#include <sd/sd.hpp>

/// Sees the probabilities of cross-attention and gives back others.
class Spotlight final : public sd::AttentionController {
 public:
  explicit Spotlight(std::vector<int64_t> tokens) : tokens_(std::move(tokens)) {}

  /// Asked first: layers that are left alone run as fast as without a controller.
  sd::AttentionUse use(const sd::AttentionCall& call) const override {
    const bool cross = call.site.kind == sd::AttentionKind::kCross;
    return cross ? sd::AttentionUse::kChange : sd::AttentionUse::kNone;
  }

  /// [rows, heads, pixels, tokens]; the rows of the empty prompt stay as they are.
  torch::Tensor apply(torch::Tensor probs, const sd::AttentionCall& call) override {
    for (const auto& rows : call.rows) {
      if (!rows.conditional) continue;
      const auto prompt = probs.narrow(0, rows.begin, rows.count);
      for (const auto token : tokens_) prompt.select(3, token).mul_(3);
    }
    return probs;
  }

 private:
  std::vector<int64_t> tokens_;
};

int main(int argc, char** argv) {
  const auto model = sd::load_model(argc > 1 ? argv[1] : "models/demo");
  const std::string prompt = "a cat and a red apple on a white background";
  Spotlight spotlight(sd::word_positions("prompt", prompt, "apple", *model.tokenizer));
  sd::Txt2ImgRequest request;
  request.prompts = {prompt};
  request.steps = 20;
  sd::write_picture("plain.png", sd::draw_prompts(model, request).pictures.front());
  request.controller = &spotlight;
  sd::write_picture("spotlight.png", sd::draw_prompts(model, request).pictures.front());
}
