#pragma once

#include <string_view>

namespace sd {

/// Whether a file's `loras`, `lora_weights` or `lora_hashes` may hold such a text: a file's name of
/// 1 to 255 bytes; "te=1 unet=0.5" with finite numbers, behind it " lbw=" with numbers between
/// commas; a SHA-256 in lower case.
bool is_network_name(std::string_view text);
bool is_network_weights(std::string_view text);
bool is_network_hash(std::string_view text);

/// Whether `control_settings` and `ip_adapter_settings` may: words of ASCII that can be printed, 1
/// to 4096 bytes.
bool is_addition_settings(std::string_view text);

}  // namespace sd
