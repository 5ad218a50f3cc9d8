#include <sd/sd.hpp>

int main(int argc, char** argv) {
  const auto model = sd::load_model(argc > 1 ? argv[1] : "models/demo");
  sd::Txt2ImgRequest request;
  request.prompts = {"a blue cat on a yellow background"};
  request.steps = 20;
  const auto drawn = sd::draw_prompts(model, request);
  sd::write_picture("hello.png", drawn.pictures.front());
}
