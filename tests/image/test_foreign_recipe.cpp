// What programs other than the web UI write, made here as they write it.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "sd/image/foreign_recipe.h"

namespace sd {
namespace {

using Texts = std::vector<PngText>;

PictureMetadata png_of(const Texts& texts) {
  PictureMetadata metadata{"PNG", 512, 512, texts, std::nullopt};
  for (const auto& text : texts) {
    if (text.keyword == "parameters") metadata.parameters = text.text;
  }
  return metadata;
}

ForeignRecipe recipe_of(const Texts& texts) {
  const auto recipe = foreign_recipe(png_of(texts));
  EXPECT_TRUE(recipe);
  return recipe.value_or(ForeignRecipe{});
}

std::map<std::string, std::string> settings_of(const ForeignRecipe& recipe) {
  // Of two the first one counts.
  return {recipe.info.settings.begin(), recipe.info.settings.end()};
}

void expect_settings(const ForeignRecipe& recipe,
                     const std::map<std::string, std::string>& expected) {
  const auto settings = settings_of(recipe);
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(settings.contains(key)) << key;
    EXPECT_EQ(settings.at(key), value) << key;
  }
}

TEST(ForeignRecipe, OfFooocus) {
  const auto recipe = recipe_of(
      {{"parameters",
        R"json({"base_model": "some_model", "guidance_scale": 4, "prompt": "a small boat", "negative_prompt":
            "fog", "steps": 30, "seed": "12345", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras",
            "resolution": "(512, 768)", "metadata_scheme": "fooocus", "sharpness": 2.0})json"}});
  EXPECT_EQ(recipe.program, "Fooocus");
  EXPECT_EQ(recipe.info.prompt, "a small boat");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe, {{"Steps", "30"},
                           {"Sampler", "dpmpp_2m_sde_gpu"},
                           {"Schedule type", "karras"},
                           {"CFG scale", "4"},
                           {"Seed", "12345"},
                           {"Size", "512x768"},
                           {"Model", "some_model"},
                           {"sharpness", "2"}});
}

TEST(ForeignRecipe, OfSwarmUi) {
  const auto recipe = recipe_of(
      {{"parameters",
        R"json({"sui_image_params": {"prompt": "a boat", "negativeprompt": "fog", "model": "m", "seed":
            18446744073709551615, "steps": 20, "cfgscale": 7.5, "width": 512, "height": 768}})json"}});
  EXPECT_EQ(recipe.program, "SwarmUI");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe,
                  {{"Seed", "18446744073709551615"}, {"CFG scale", "7.5"}, {"Size", "512x768"}});
}

TEST(ForeignRecipe, OfInvokeAi) {
  const auto recipe = recipe_of(
      {{"invokeai_metadata",
        R"json({"generation_mode": "txt2img", "positive_prompt": "a boat", "negative_prompt": "fog", "width":
            512, "height": 768, "seed": 9, "rand_device": "cpu", "cfg_scale": 7.5, "steps": 30,
            "scheduler": "dpmpp_2m_k", "clip_skip": 1, "model": {"name": "sd-1", "base": "sd-1"},
            "strength": 0.6, "app_version": "4.2.0", "loras": []})json"}});
  EXPECT_EQ(recipe.program, "InvokeAI");
  EXPECT_EQ(recipe.info.prompt, "a boat");
  expect_settings(recipe, {{"Steps", "30"},
                           {"Sampler", "dpmpp_2m"},
                           {"Schedule type", "karras"},
                           {"Seed", "9"},
                           {"Size", "512x768"},
                           {"Clip skip", "2"},
                           {"Model", "sd-1"},
                           {"RNG", "CPU"}});
  EXPECT_FALSE(settings_of(recipe).contains("Denoising strength"));
  EXPECT_FALSE(settings_of(recipe).contains("loras"));
}

TEST(ForeignRecipe, OfInvokeAiTwo) {
  const auto recipe = recipe_of(
      {{"sd-metadata",
        R"json({"model": "stable diffusion", "model_weights": "sd-1.5", "model_hash": "cc6cb27103", "app_id":
            "invoke-ai/InvokeAI", "image": {"prompt": [{"prompt": "a boat [fog] at sea", "weight": 1.0}],
            "steps": 50, "cfg_scale": 7.5, "height": 512, "width": 768, "seed": 7, "type": "txt2img",
            "sampler": "k_lms"}})json"},
       {"Dream", "\"ignored\" -s 9"}});
  EXPECT_EQ(recipe.info.prompt, "a boat  at sea");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe, {{"Steps", "50"},
                           {"Sampler", "k_lms"},
                           {"Seed", "7"},
                           {"Size", "768x512"},
                           {"Model", "sd-1.5"},
                           {"Model hash", "cc6cb27103"}});
}

TEST(ForeignRecipe, OfInvokeAisCommandLine) {
  const auto recipe = recipe_of(
      {{"Dream", "\"a \\\"small\\\" boat [fog]\" -s 30 -S12345 -W 512 -H768 -C 4 -A k_euler_a"}});
  EXPECT_EQ(recipe.info.prompt, "a \"small\" boat");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe, {{"Steps", "30"},
                           {"Seed", "12345"},
                           {"Size", "512x768"},
                           {"CFG scale", "4"},
                           {"Sampler", "k_euler_a"}});
}

TEST(ForeignRecipe, OfNovelAi) {
  const Texts texts = {
      {"Description", "harbour, {{boats}}"},
      {"Software", "NovelAI"},
      {"Comment",
       R"json({"steps": 23, "sampler": "k_euler_ancestral", "seed": 77, "strength": 0.69,
                            "noise": 0.667, "scale": 12.0, "uc": "fog"})json"}};
  const auto recipe = recipe_of(texts);
  EXPECT_EQ(recipe.program, "NovelAI");
  EXPECT_EQ(recipe.info.prompt, "harbour, {{boats}}");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(
      recipe,
      {{"Steps", "23"}, {"Sampler", "k_euler_ancestral"}, {"CFG scale", "12"}, {"Seed", "77"}});
  EXPECT_FALSE(settings_of(recipe).contains("Denoising strength"));  // of no picture
}

TEST(ForeignRecipe, OfEasyDiffusion) {
  const auto recipe = recipe_of({{"prompt", "a boat"},
                                 {"negative_prompt", "fog"},
                                 {"seed", "5"},
                                 {"num_inference_steps", "25"},
                                 {"guidance_scale", "7.5"},
                                 {"sampler_name", "euler_a"},
                                 {"width", "512"},
                                 {"height", "640"},
                                 {"use_stable_diffusion_model", "sd-v1-5"},
                                 {"use_vae_model", "None"}});
  EXPECT_EQ(recipe.program, "Easy Diffusion");
  EXPECT_EQ(recipe.info.prompt, "a boat");
  expect_settings(
      recipe, {{"Steps", "25"}, {"Sampler", "euler_a"}, {"Size", "512x640"}, {"Model", "sd-v1-5"}});
  EXPECT_FALSE(settings_of(recipe).contains("use_vae_model"));
}

TEST(ForeignRecipe, OfDrawThings) {
  const auto recipe =
      recipe_of({{"parameters",
                  R"json({"c": "a boat", "uc": "fog", "steps": 20, "scale": 7, "seed": 3, "sampler":
                          "DPM++ 2M Karras", "size": "512x768", "model": "m"})json"}});
  EXPECT_EQ(recipe.program, "Draw Things");
  EXPECT_EQ(recipe.info.prompt, "a boat");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe, {{"Steps", "20"}, {"Size", "512x768"}});
}

TEST(ForeignRecipe, OfAnotherProgramsJsonByPlainNames) {
  const auto recipe =
      recipe_of({{"parameters", R"json({"Prompt": "a boat", "Steps": 20.0, "CFG Scale": 7})json"}});
  EXPECT_EQ(recipe.program, "another program");
  EXPECT_EQ(recipe.info.prompt, "a boat");
  expect_settings(recipe, {{"Steps", "20"}, {"CFG scale", "7"}});
}

// A graph of ComfyUI's: base pass and second pass, a LoRA, CLIP skip, a seed in a node of its own.
constexpr const char* kGraph = R"json({
  "3": {"class_type": "KSampler", "inputs": {"seed": ["20", 0], "steps": 22, "cfg": 6.5, "sampler_name":
        "dpmpp_2m", "scheduler": "karras", "denoise": 1.0, "model": ["10", 0], "positive": ["6", 0],
        "negative": ["7", 0], "latent_image": ["5", 0]}},
  "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
  "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
  "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a boat", "clip": ["11", 0]}},
  "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "fog", "clip": ["11", 0]}},
  "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "soft.safetensors", "model": ["4", 0],
         "clip": ["4", 1]}},
  "11": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
  "12": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0]}},
  "2": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 9, "cfg": 1, "sampler_name": "lcm",
        "scheduler": "normal", "denoise": 0.5, "model": ["4", 0], "positive": ["6", 0], "negative":
        ["7", 0], "latent_image": ["12", 0]}},
  "20": {"class_type": "Seed (rgthree)", "inputs": {"seed": 18446744073709551615}, "is_changed": [NaN]
}
})json";

TEST(ForeignRecipe, OfComfyUi) {
  const auto recipe = recipe_of({{"prompt", kGraph}});
  EXPECT_EQ(recipe.program, "ComfyUI");
  EXPECT_EQ(recipe.info.prompt, "a boat");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  expect_settings(recipe, {{"Steps", "22"},
                           {"Sampler", "dpmpp_2m"},
                           {"Schedule type", "karras"},
                           {"CFG scale", "6.5"},
                           {"Seed", "18446744073709551615"},
                           {"Size", "512x768"},
                           {"Model", "v1-5.safetensors"},
                           {"Clip skip", "2"},
                           {"RNG", "CPU"}});
  ASSERT_EQ(recipe.notes.size(), 2u);
  EXPECT_NE(recipe.notes[0].find("2 samplers"), std::string::npos) << recipe.notes[0];
  EXPECT_NE(recipe.notes[1].find("LoraLoader (soft.safetensors)"), std::string::npos)
      << recipe.notes[1];
}

TEST(ForeignRecipe, OfComfyUisEditor) {
  const auto recipe = recipe_of({{"workflow",
                                  R"json({"nodes": [
            {"id": 3, "type": "KSampler", "widgets_values": [5, "randomize", 20, 8, "euler", "normal", 0.75],
             "inputs": [{"name": "positive", "link": 1}, {"name": "negative", "link": 2},
                        {"name": "latent_image", "link": 3}]},
            {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a boat"]},
            {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["fog"]},
            {"id": 8, "type": "VAEEncode", "inputs": [{"name": "pixels", "link": 4}]},
            {"id": 9, "type": "LoadImage", "widgets_values": ["start.png", "image"]}],
            "links": [[1, 6, 0, 3, 1, "CONDITIONING"], [2, 7, 0, 3, 2, "CONDITIONING"],
                      [3, 8, 0, 3, 3, "LATENT"], [4, 9, 0, 8, 0, "IMAGE"]]})json"}});
  EXPECT_EQ(recipe.info.prompt, "a boat");
  EXPECT_EQ(recipe.info.negative_prompt, "fog");
  // ComfyUI runs 20 steps within the part of 0.75: as many of 27 here.
  expect_settings(
      recipe,
      {{"Steps", "27"}, {"Sampler", "euler"}, {"Seed", "5"}, {"Denoising strength", "0.75"}});
  ASSERT_EQ(recipe.notes.size(), 1u);
  EXPECT_NE(recipe.notes[0].find("start.png"), std::string::npos) << recipe.notes[0];
}

TEST(ForeignRecipe, OfAGraphWithoutASamplerSaysSo) {
  const auto recipe =
      recipe_of({{"prompt", R"json({"1": {"class_type": "VAELoader", "inputs": {}}})json"}});
  EXPECT_EQ(recipe.info.prompt, "");
  EXPECT_TRUE(recipe.info.settings.empty());
  ASSERT_EQ(recipe.notes.size(), 1u);
}

TEST(ForeignRecipe, AGraphThatGoesRoundEnds) {
  const auto recipe = recipe_of(
      {{"prompt",
        R"json({"1": {"class_type": "KSampler", "inputs": {"seed": ["1", 0], "steps": ["2", 0],
                      "model": ["1", 0], "positive": ["2", 0], "latent_image": ["1", 0]}},
                      "2": {"class_type": "X", "inputs": {"value": ["2", 0], "conditioning": ["2", 0],
                      "clip": ["2", 0]}}})json"}});
  EXPECT_EQ(recipe.info.prompt, "");
}

TEST(ForeignRecipe, AnInfotextIsNone) {
  EXPECT_FALSE(foreign_recipe(png_of({{"parameters", "{a|b} cat\nSteps: 2, Seed: 1, Size: 8x8"}})));
  EXPECT_FALSE(foreign_recipe(png_of({{"parameters", "a cat"}, {"prompt", kGraph}})));
  EXPECT_FALSE(
      foreign_recipe(png_of({{"Comment", "hello"}, {"prompt", "a cat"}, {"workflow", "[]"}})));
}

TEST(ForeignRecipe, JsonBeyondAnyProgramsIsNone) {
  std::string deep = "{\"a\":", members = "{\"a\":1";
  for (int i = 0; i < 1'000'000; ++i) deep += "[";
  for (int i = 0; i < 100'000; ++i) members += ",\"" + std::to_string(i) + "\":1";
  EXPECT_FALSE(foreign_recipe(png_of({{"parameters", deep}})));
  EXPECT_FALSE(foreign_recipe(png_of({{"parameters", members + "}"}})));
}

}  // namespace
}  // namespace sd
