#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sd/pipeline/load.h"

namespace sd {

/// What null-text optimisation starts from: the path that inverting a picture with its prompt alone
/// (guidance 1) left, and how the picture is to be drawn again.
struct NullTextRequest {
  /// Latents of the path [N+1,4,h,w] float32, the picture's own first, noise last.
  torch::Tensor path;
  /// DDPM timesteps of the N steps in the order in which they are drawn, falling: step i starts
  /// from path[N−i] and is to end at path[N−i−1].
  std::vector<int64_t> timesteps;
  /// ᾱ at which each of those steps begins and at which it ends.
  std::vector<double> alphas, alphas_prev;
  torch::Tensor context;        // of the prompt, [1,K,D]
  torch::Tensor unconditional;  // of the empty prompt, [1,K,D]; where the embeddings start from
  double guidance_scale = 7.5;
  /// As published: Adam's steps for each step of the path, their rate lr · (1 − i/100), and the
  /// loss at which a step ends early, stop + i · stop_growth.
  int64_t inner_steps = 10;
  double learning_rate = 1e-2;
  double stop = 1e-5, stop_growth = 2e-5;
};

/// What is known after some steps. Saved and given again, the run goes on from there to the bit.
struct NullTextState {
  int64_t steps_done = 0;
  torch::Tensor embeddings;  // [steps_done,K,D] float32 on the CPU, one a step
  torch::Tensor latents;     // [1,4,h,w] float32 on the CPU: where the drawn path is after them
};

/// Of one step that is done.
struct NullTextReport {
  int64_t step = 0, num_steps = 0;
  int64_t inner_steps = 0;     // that Adam made
  double loss = 0;             // mean squared error to the path, after the last of them
  const NullTextState& state;  // with this step
};

/// Null-text optimisation (Mokady et al., arXiv:2211.09794, algorithm 1): for each step of a DDIM
/// path the embedding of the empty prompt under which a guided step ends where the path does. In
/// float32, whatever the model is held in; the gradient goes to the embedding alone, block by block
/// (checkpoints). Returns the state after the last step: embeddings [N,K,D], and the latents that
/// drawing with them ends at. The same request gives the same bits, with and without a stop
/// between.
///
/// `state` with steps_done > 0 goes on from there. `on_step` is called after each step; false ends
/// the run (Cancelled). Throws UsageError for shapes that do not fit one another or the model.
NullTextState optimise_null_text(const LoadedModel& model, const NullTextRequest& request,
                                 NullTextState state = {},
                                 const std::function<bool(const NullTextReport&)>& on_step = {});

}  // namespace sd
