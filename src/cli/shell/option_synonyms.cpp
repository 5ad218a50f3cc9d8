#include "cli/shell/option_synonyms.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sd::cli {
namespace {

struct Row {
  std::string_view option;
  std::string_view names;  // with commas between
};

/// Names that mean one thing wherever they are used: by diffusers, AUTOMATIC1111's web UI and its
/// API, InvokeAI, ComfyUI, stable-diffusion.cpp. Those that mean several are in option_hints.cpp.
constexpr std::array kRows = {
    Row{"prompt", "p,positive_prompt"},
    Row{"negative-prompt", "neg_prompt,negative,neg"},
    Row{"ddim_steps", "num_inference_steps,inference_steps,sampling_steps,sample_steps,num_steps"},
    Row{"sampler", "A,sampling_method,sample_method,sampler_index"},
    Row{"scheduler", "schedule,schedule_type"},
    Row{"scale", "guidance_scale,guidance,cfg,unconditional_guidance_scale"},
    Row{"ddim_eta", "eta"},
    Row{"seed", "S,noise_seed"},
    Row{"W", "W"},
    Row{"H", "H"},
    Row{"n_iter", "batch_count,iterations,num_iterations"},
    Row{"from-file", "prompt_file,prompts_file,prompts_from_file"},
    Row{"strength", "denoising_strength,denoise_strength,denoise"},
    Row{"init-img", "i,I,init_image,input_image,image"},
    Row{"init-mask", "mask_image,mask_img"},
    Row{"img-scale", "image_guidance_scale,image_cfg_scale"},
    Row{"ckpt", "m,model,checkpoint,model_path,ckpt_path,weights,pretrained_model_name_or_path"},
    Row{"vae", "vae_path,taesd"},
    Row{"clip", "clip_path,clip_l,text_encoder"},
    Row{"dtype", "torch_dtype,type"},
    Row{"threads", "t,n_threads,num_threads"},
    Row{"outdir", "o,output,output_dir,out_dir,out,outpath"},
    Row{"format", "output_format,image_format"},
};

std::string dashed_name(std::string_view name) {
  return (name.size() == 1 ? "-" : "--") + std::string(name);
}

}  // namespace

std::vector<std::string> synonyms_of(std::string_view option) {
  for (const auto& row : kRows) {
    if (row.option == option) return CLI::detail::split(std::string(row.names), ',');
  }
  return {};
}

bool is_synonym(const std::vector<std::string>& names, const std::string& name) {
  for (const auto& own : names) {
    if (!own.starts_with("--")) continue;
    // A short name is none of its long namesake's spellings: -W and --W.
    for (const auto& synonym : synonyms_of(own.substr(2))) {
      const auto other = dashed_name(synonym);
      if (other == name || (synonym.size() > 1 && bare_name(other) == bare_name(name))) return true;
    }
  }
  return false;
}

std::vector<std::string> shown_names(const OptionOutline& option) {
  auto shown = distinct_names(option.names);
  std::erase_if(shown, [&](const std::string& name) { return is_synonym(option.names, name); });
  return shown;
}

std::vector<std::string> other_names(const OptionOutline& option) {
  std::vector<std::string> synonyms;
  for (const auto& name : option.names) {
    if (is_synonym(option.names, name)) synonyms.push_back(name);
  }
  // -W beside --W: the same letters, another name.
  std::vector<std::string> distinct;
  for (const auto& name : synonyms) {
    const bool known = std::ranges::any_of(distinct, [&](const std::string& other) {
      return bare_name(other) == bare_name(name) &&
             other.starts_with("--") == name.starts_with("--");
    });
    if (!known) distinct.push_back(name);
  }
  return distinct;
}

}  // namespace sd::cli
