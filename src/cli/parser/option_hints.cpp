#include "cli/parser/option_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "cli/parser/settings_check.h"

namespace sd::cli {
namespace {

struct Meaning {
  std::string_view option;  // "n_samples"
  std::string_view what;
};

/// Names that are options here under another name, but which one depends on whom one asks. Nothing
/// is guessed: a wrong guess draws another picture and says nothing.
struct ManyMeanings {
  std::string_view names;  // with commas between; single letters are short names
  std::array<Meaning, 3> meanings;
  std::string_view advice = {};
};

constexpr std::string_view kCounting =
    "A run draws n_samples times n_iter pictures: --n_samples 4 --n_iter 1 draws four.";

constexpr std::array kManyMeanings = {
    // -n: iterations in InvokeAI, the negative prompt in stable-diffusion.cpp, a count elsewhere.
    ManyMeanings{"n",
                 {{{"n_samples", "pictures at a time"},
                   {"n_iter", "how often"},
                   {"negative-prompt", "what to keep away from"}}}},
    // -s: the seed in stable-diffusion.cpp, the steps in InvokeAI, the strength in scripts.
    ManyMeanings{
        "s",
        {{{"seed", "of the random numbers"}, {"steps", "how many"}, {"strength", "of a change"}}}},
    ManyMeanings{"b", {{{"n_samples", "pictures at a time"}, {"n_iter", "how often"}}}},
    ManyMeanings{"num_images_per_prompt,num_images,num_outputs,num_samples,n_images,images,count",
                 {{{"n_samples", "pictures at a time"}, {"n_iter", "how often"}}},
                 kCounting},
    ManyMeanings{"c", {{{"ckpt", "the weights"}, {"config", "their YAML"}, {"scale", "guidance"}}}},
    ManyMeanings{"C", {{{"scale", "guidance"}, {"C", "latent channels"}}}},
    ManyMeanings{
        "f", {{{"from-file", "prompts"}, {"strength", "of a change"}, {"f", "pixels a latent"}}}},
    ManyMeanings{"g", {{{"scale", "guidance"}, {"grid", "a sheet over options"}}}},
    ManyMeanings{"M", {{{"init-mask", "what is drawn anew"}, {"mode", "of a swap"}}}},
    ManyMeanings{"mask",
                 {{{"init-mask", "what is drawn anew"}, {"blend-mask", "where a swap edits"}}}},
    ManyMeanings{"gpu,cuda,cpu,use_cpu,gpu_id", {{{"device", "cpu, cuda, cuda:1"}}}},
    ManyMeanings{"fp16,half,fp32,bf16,float16,float32,bfloat16,no_half,full_precision",
                 {{{"dtype", "f32, bf16, f16"}}}},
    ManyMeanings{"filename,file_name,filename_pattern,output_name", {{{"name", "of the files"}}}},
    ManyMeanings{"fixed_seed,random_seed", {{{"seed", "-1 for a random one"}}}},
};

struct NotHere {
  std::string_view names;
  std::string_view why;
};

constexpr std::array kNotHere = {
    NotHere{"upscale,upscale_by,upscale_model,upscaler,upscale_repeats,enable_hr,hr_scale,"
            "hr_upscaler,hires,hires_fix,hires_scale,highres_fix,outscale",
            "Nothing enlarges finished pictures here. --W and --H say how large one is drawn; to "
            "draw one again, larger: sd img2img --init-img PICTURE --W 1024 --H 1024 --strength "
            "0.4 --prompt TEXT"},
    NotHere{"lora_model_dir,lora_dir",
            "The environment variable SD_LORA_DIR names the folder of LoRAs; loras/ beside the "
            "model is "
            "one too."},
    NotHere{"lora_scale,lora_strength", "A LoRA's weight stands behind its name: --lora NAME:0.8"},
    NotHere{"controlnet,control_net,control_image,control_strength,controlnet_model,t2i_adapter",
            "A control net and its picture are one option: --control "
            "NET:PICTURE[:WEIGHT[:START:END]]"},
    NotHere{
        "embeddings_dir,embd_dir",
        "The environment variable SD_EMBEDDING_DIR names the folder of embeddings, which prompts "
        "use by their names; --embedding FILE gives a single one."},
    NotHere{"restore_faces,gfpgan,gfpgan_strength,codeformer,face_restoration,facetool,"
            "facetool_strength",
            "Nothing restores faces here."},
    NotHere{"tiling,seamless", "Pictures that tile are not supported."},
    NotHere{"vae_tiling,vae_slicing,vae_on_cpu,clip_on_cpu,xformers,"
            "opt_sdp_attention,flash_attn,fa,diffusion_fa,attention_slicing,"
            "enable_attention_slicing,offload_to_cpu,no_half_vae,"
            "opt_split_attention",
            "There is no such switch, leave it out. Fewer pictures at a time (--n_samples) and "
            "smaller ones take less memory; --low-memory does, too."},
    NotHere{"safety_checker,no_safety_checker,disable_safety_checker,nsfw_checker",
            "There is no safety checker."},
    NotHere{"refiner,refiner_model", "Models with a refiner (SDXL) are not supported."},
};

bool is_among(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const auto comma = names.find(',');
    if (names.substr(0, comma) == name) return true;
    names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
  }
  return false;
}

/// "--n_samples N (pictures at a time), --n_iter N (how often)", of the options that there are.
std::vector<std::string> choices(std::span<const Meaning> meanings,
                                 const std::vector<OptionOutline>& options) {
  std::vector<std::string> found;
  for (const auto& meaning : meanings) {
    const auto option = std::ranges::find_if(options, [&](const OptionOutline& candidate) {
      return !meaning.option.empty() && is_named(candidate, meaning.option);
    });
    if (option == options.end()) continue;
    found.push_back(fmt::format("--{} ({})", meaning.option, meaning.what));
  }
  return found;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace

std::string foreign_name_hint(std::string_view name, const std::vector<OptionOutline>& options) {
  const auto bare = bare_name(name);
  for (const auto& entry : kManyMeanings) {
    if (!is_among(entry.names, bare)) continue;
    const auto found = choices(entry.meanings, options);
    if (found.empty()) return {};
    auto hint = found.size() == 1
                    ? fmt::format("\nUse {}.", found.front())
                    : fmt::format("\nIt means different things in different programs. Use {}.",
                                  listed(found));
    if (!entry.advice.empty()) hint += fmt::format("\n{}", entry.advice);
    return hint;
  }
  for (const auto& entry : kNotHere) {
    if (is_among(entry.names, bare)) return fmt::format("\n{}", entry.why);
  }
  return {};
}

}  // namespace sd::cli
