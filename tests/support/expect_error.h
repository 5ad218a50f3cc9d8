#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sd::test {

/// Expects `action` to throw an `ErrorType` whose message holds every one of `parts`.
template <typename ErrorType, typename Action, typename... Parts>
void expect_error(Action&& action, const Parts&... parts) {
  try {
    std::forward<Action>(action)();
  } catch (const ErrorType& error) {
    const std::string message = error.what();
    for (const std::string_view part : std::initializer_list<std::string_view>{parts...}) {
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
    }
    return;
  }
  ADD_FAILURE() << "nothing was thrown";
}

}  // namespace sd::test
