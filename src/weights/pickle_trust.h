#pragma once

#include <string_view>

namespace sd::pickle {

/// What a name in a pickle is good for. Nothing is ever called here: this says what the pickle
/// would do to a Python program that loads it.
enum class Trust {
  kKnown,     // of a fixed list: makes data and nothing else, whatever it is given
  kType,      // of `typing` and its like: says what a type is, and is not called
  kClass,     // a class that is not on the list, outside of Python's own modules: it may be named
              // and have instances; who loads the file elsewhere runs that class's code
  kFunction,  // a function of a package for training: it may be named, and not be called
  kRefused,   // everything else
};

/// `module` and `name` as the pickle has them. Names that are no plain identifiers (dots in `name`,
/// characters outside ASCII, control characters, none, more than 200) are refused too.
Trust trust_of(std::string_view module, std::string_view name);

/// Whether these are names such as Python's own: ASCII letters, digits and underscores, in a module
/// with dots between.
bool is_plain_name(std::string_view module, std::string_view name);

/// Whether a class of this module may be called with one text: the enumerations of packages that
/// training programs use are stored so. Other classes that are not known are called with numbers
/// alone.
bool takes_a_text(std::string_view module);

}  // namespace sd::pickle
