#include "cli/options/option_table.h"

#include <algorithm>
#include <iterator>

namespace sd::cli {
namespace {

bool equal_names(std::string_view one, std::string_view other) {
  const auto plain = [](char c) { return c == '-' ? '_' : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return plain(a) == plain(b); });
}

std::string plain_text(const OptionValue::Json& json) {
  if (json.is_string()) return json.get<std::string>();
  return json.is_number_float() ? number_text(json.get<double>()) : json.dump();
}

}  // namespace

const std::vector<OptionRow>& option_rows() {
  static const auto rows = [] {
    std::vector<OptionRow> all;
    for (auto make : {prompt_rows, few_step_rows, guidance_rows,  faster_rows,     control_net_rows,
                      number_rows, batch_rows,    reweight_rows,  gradient_rows,   attn_rows,
                      model_rows,  addon_rows,    embedding_rows, ip_adapter_rows, machine_rows,
                      output_rows, input_rows,    inversion_rows, sharing_rows,    swap_rows,
                      region_rows, scope_rows}) {
      auto some = make();
      std::move(some.begin(), some.end(), std::back_inserter(all));
    }
    return all;
  }();
  return rows;
}

std::string_view first_name(const OptionRow& row) {
  return row.names.substr(0, row.names.find(','));
}

std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> parts;
  while (!names.empty()) {
    const auto comma = std::min(names.find(','), names.size());
    parts.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return parts;
}

bool is_named(const OptionRow& row, std::string_view name) {
  const auto names = split_names(row.names);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& own) { return equal_names(own, name); });
}

const OptionRow* find_row(std::string_view name) {
  for (const auto& row : option_rows()) {
    if (is_named(row, name)) return &row;
  }
  return nullptr;
}

bool is_given(const OptionRow& row, const DrawOptions& options) {
  static const DrawOptions untouched;
  return row.value.tell(options) != row.value.tell(untouched);
}

bool is_told(const OptionRow& row, const DrawOptions& options) {
  if (row.told_where != nullptr && !row.told_where(options)) return false;
  return !row.told_if_given || is_given(row, options);
}

bool is_in_infotext(const OptionRow& row, const DrawOptions& options) {
  if (row.told_where != nullptr && !row.told_where(options)) return false;
  return row.infotext.always || is_given(row, options);
}

std::string infotext_of(const OptionRow& row, const DrawOptions& options) {
  return row.infotext.text != nullptr ? row.infotext.text(options)
                                      : plain_text(row.value.tell(options));
}

}  // namespace sd::cli
