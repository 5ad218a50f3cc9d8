#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sd/nn/layers.h"
#include "train/adamw.h"
#include "train/flat_parameters.h"
#include "train/initialize.h"

namespace sd::train {
namespace {

TEST(FlatParameters, LayersSeeWhatTheFlatTensorHolds) {
  Linear layer(3, 2);
  FlatParameters parameters(parameter_slots(*layer));
  {
    const c10::AutoGradMode no_gradients(false);
    parameters.values().fill_(0.5);
  }
  EXPECT_TRUE(layer->weight.eq(0.5).all().item<bool>());
  layer->forward(at::ones({1, 3})).sum().backward();
  for (const auto& entry : parameters.entries()) {
    const auto gradient = FlatParameters::view(parameters.gradients(), entry);
    EXPECT_TRUE(gradient.eq(1).all().item<bool>()) << entry.name;
  }
}

TEST(FlatParameters, OnlyMatricesDecay) {
  Linear layer(3, 2);
  FlatParameters parameters(parameter_slots(*layer));
  ASSERT_EQ(parameters.entries().size(), 2u);
  EXPECT_EQ(parameters.entries()[0].name, "weight");
  EXPECT_LE(parameters.entries()[0].begin + parameters.entries()[0].count, parameters.decayed());
  EXPECT_GE(parameters.entries()[1].begin, parameters.decayed());
}

/// One parameter that is a matrix, one that is a bias, both 1, with gradients of g.
struct Trained {
  Linear layer{1, 1};
  FlatParameters parameters{parameter_slots(*layer)};
  explicit Trained(double gradient) {
    const c10::AutoGradMode no_gradients(false);
    for (const auto& entry : parameters.entries()) {
      FlatParameters::view(parameters.values(), entry).fill_(1);
      FlatParameters::view(parameters.gradients(), entry).fill_(gradient);
    }
  }
};

TEST(AdamW, FollowsThePapersFirstStep) {
  Trained trained(0.25);
  AdamWSettings settings;
  settings.weight_decay = 0.1;
  AdamW optimizer(trained.parameters, settings);
  const double norm = optimizer.step(0.01);
  EXPECT_NEAR(norm, 0.25 * std::sqrt(2.0), 1e-6);
  // Algorithm 2: with bias corrected moments the first step is lr · sign(g), besides the decay.
  EXPECT_NEAR(trained.layer->weight.item<double>(), 1 - 0.01 - 0.01 * 0.1, 1e-6);
  EXPECT_NEAR(trained.layer->bias.item<double>(), 1 - 0.01, 1e-6);
  EXPECT_EQ(trained.parameters.gradients().abs().max().item<double>(), 0);
}

TEST(AdamW, LongGradientsAreCut) {
  Trained trained(100), same(100);
  AdamWSettings settings;
  settings.beta1 = settings.beta2 = 0;  // the moments are the gradient that was used
  AdamW optimizer(trained.parameters, settings);
  optimizer.step(0.01);
  EXPECT_NEAR(optimizer.first_moment.norm().item<double>(), settings.max_gradient_norm, 1e-4);
}

TEST(AdamW, AGradientThatIsNoNumberChangesNothing) {
  Trained trained(std::numeric_limits<double>::quiet_NaN());
  AdamW optimizer(trained.parameters, {});
  EXPECT_FALSE(std::isfinite(optimizer.step(0.01)));
  EXPECT_EQ(trained.layer->weight.item<double>(), 1);
  EXPECT_EQ(optimizer.steps, 0);
  EXPECT_EQ(trained.parameters.gradients().abs().max().item<double>(), 0);
}

TEST(AdamW, TheAverageFollowsTheWeights) {
  Trained trained(0.25);
  AdamW optimizer(trained.parameters, {});
  for (int i = 0; i < 3; ++i) {
    trained.parameters.gradients().fill_(0.25);
    optimizer.step(0.1);
  }
  const auto entry = trained.parameters.entries()[0];
  const double average = FlatParameters::view(optimizer.average, entry).item<double>();
  EXPECT_LT(average, 1);
  EXPECT_GT(average, trained.layer->weight.item<double>());
}

TEST(Initialize, IsTheSameForOneSeedAndAnotherForAnother) {
  Linear a(8, 8), b(8, 8), c(8, 8);
  FlatParameters first(parameter_slots(*a)), second(parameter_slots(*b)),
      third(parameter_slots(*c));
  initialize(first, 1);
  initialize(second, 1);
  initialize(third, 2);
  EXPECT_TRUE(first.values().equal(second.values()));
  EXPECT_FALSE(first.values().equal(third.values()));
}

}  // namespace
}  // namespace sd::train
