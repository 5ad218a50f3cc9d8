#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sd/nn/layers.h"
#include "trainer/flat_parameters.h"
#include "trainer/initialize.h"
#include "trainer/muon.h"
#include "trainer/optimizer.h"

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
  OptimizerSettings settings;
  settings.weight_decay = 0.1;
  Optimizer optimizer(trained.parameters, settings);
  const double norm = optimizer.step(0.01);
  EXPECT_NEAR(norm, 0.25 * std::sqrt(2.0), 1e-6);
  // Algorithm 2: with bias corrected moments the first step is lr · sign(g), besides the decay.
  EXPECT_NEAR(trained.layer->weight.item<double>(), 1 - 0.01 - 0.01 * 0.1, 1e-6);
  EXPECT_NEAR(trained.layer->bias.item<double>(), 1 - 0.01, 1e-6);
  EXPECT_EQ(trained.parameters.gradients().abs().max().item<double>(), 0);
}

TEST(AdamW, LongGradientsAreCut) {
  Trained trained(100), same(100);
  OptimizerSettings settings;
  settings.beta1 = settings.beta2 = 0;  // the moments are the gradient that was used
  Optimizer optimizer(trained.parameters, settings);
  optimizer.step(0.01);
  EXPECT_NEAR(optimizer.first_moment.norm().item<double>(), settings.max_gradient_norm, 1e-4);
}

TEST(AdamW, AGradientThatIsNoNumberChangesNothing) {
  Trained trained(std::numeric_limits<double>::quiet_NaN());
  Optimizer optimizer(trained.parameters, {});
  EXPECT_FALSE(std::isfinite(optimizer.step(0.01)));
  EXPECT_EQ(trained.layer->weight.item<double>(), 1);
  EXPECT_EQ(optimizer.steps, 0);
  EXPECT_EQ(trained.parameters.gradients().abs().max().item<double>(), 0);
}

TEST(AdamW, TheAverageFollowsTheWeights) {
  Trained trained(0.25);
  Optimizer optimizer(trained.parameters, {});
  for (int i = 0; i < 3; ++i) {
    trained.parameters.gradients().fill_(0.25);
    optimizer.step(0.1);
  }
  const auto entry = trained.parameters.entries()[0];
  const double average = FlatParameters::view(optimizer.average, entry).item<double>();
  EXPECT_LT(average, 1);
  EXPECT_GT(average, trained.layer->weight.item<double>());
}

TEST(Muon, EvensOutTheSingularValues) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  for (const auto& [rows, columns] : {std::pair{8, 8}, {8, 40}, {40, 8}}) {
    const auto matrix = at::randn({rows, columns}, generator);
    const auto result = orthogonalized(100 * matrix);
    ASSERT_EQ(result.sizes(), matrix.sizes());
    const auto values = std::get<1>(at::linalg_svd(result));
    EXPECT_GT(values.min().item<double>(), 0.5) << rows << "x" << columns;
    EXPECT_LT(values.max().item<double>(), 1.3) << rows << "x" << columns;
    // The singular vectors stay: with those of the matrix the result is diagonal.
    const auto [u, s, vh] = at::linalg_svd(matrix, /*full_matrices=*/false);
    const auto turned = u.t().matmul(result).matmul(vh.t());
    EXPECT_LT((turned - turned.diagonal().diag()).abs().max().item<double>(), 1e-3);
  }
}

TEST(Muon, ReplacesAdamWForHiddenMatricesOnly) {
  Linear layer(6, 4);
  const auto value = [&](OptimizerSettings settings, const std::string& prefix) {
    auto slots = parameter_slots(*layer);
    for (auto& slot : slots) slot.name = prefix + slot.name;
    FlatParameters parameters(std::move(slots));
    initialize(parameters, 1);
    auto generator = at::make_generator<at::CPUGeneratorImpl>(2);
    parameters.gradients().copy_(at::randn(parameters.gradients().sizes(), generator));
    settings.weight_decay = 0.5;
    Optimizer(parameters, settings).step(0.01);
    return std::pair(layer->weight.detach().clone(), layer->bias.detach().clone());
  };
  OptimizerSettings muon;
  muon.muon_rate = 2;
  const auto [plain, plain_bias] = value({}, "blocks.");
  const auto [matrix, bias] = value(muon, "blocks.");
  const auto [embedding, embedding_bias] = value(muon, "token_embedding.");
  EXPECT_TRUE(bias.equal(plain_bias));
  // An embedding is updated as ever (its start differs: see Initialize).
  EXPECT_TRUE(embedding.equal(value({}, "token_embedding.").first));

  // The same by hand, in float32: the first step's momentum is a share of the gradient.
  Linear again(6, 4);
  FlatParameters parameters(parameter_slots(*again));
  initialize(parameters, 1);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(2);
  const auto gradients = at::randn(parameters.gradients().sizes(), generator);
  const auto gradient = FlatParameters::view(gradients, parameters.entries()[0]);
  const auto expected = again->weight.detach() * (1 - 0.02 * 0.5) -
                        0.02 * muon_scale(4, 6) * orthogonalized(gradient);
  EXPECT_LT((matrix - expected).abs().max().item<double>(), 2e-4);  // bf16 where the CPU has it
  EXPECT_GT((matrix - plain).abs().max().item<double>(), 1e-3);
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
