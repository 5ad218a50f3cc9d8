#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sd {

/// The classes and functions that the pickles of a model's files name and that this program does
/// not know to be data ("pytorch_lightning.callbacks.ModelCheckpoint"), sorted. Nothing of them
/// runs here; a Python program that loads the model imports them. `model` is a file, one of
/// several, or a folder; none where nothing is pickled. Throws IoError and CheckpointError as
/// open_model does.
std::vector<std::string> foreign_names(const std::filesystem::path& model);

}  // namespace sd
