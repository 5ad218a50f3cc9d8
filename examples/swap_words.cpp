// Swaps a word of a prompt, and shows where the new picture looks at it.
#include <sd/sd.hpp>

int main(int argc, char** argv) {
  const auto model = sd::load_model(argc > 1 ? argv[1] : "models/demo");
  sd::WordSwapRequest swap;
  swap.source = "a cat on a yellow background";
  swap.targets = {"a dog on a yellow background"};
  swap.words.local_blend = {"cat", "dog"};  // elsewhere nothing may change
  swap.steps = 20;
  const auto drawn = sd::swap_words(model, swap);

  sd::write_picture("source.png", drawn.source.pictures.front());
  const auto& picture = drawn.targets.front().pictures.front();
  sd::write_picture("target.png", picture);
  for (const std::string word : {"dog", "yellow", "background"}) {
    const auto map = sd::word_map(drawn.target_maps[0][0], swap.targets[0], word, *model.tokenizer);
    sd::write_picture("target-" + word + ".png", sd::heat_over(picture, map));
  }
}
