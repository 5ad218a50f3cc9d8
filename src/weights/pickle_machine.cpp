#include "weights/pickle_machine.h"

#include <fmt/format.h>

#include <bit>
#include <string_view>
#include <utility>

#include "weights/byte_reader.h"
#include "weights/pickle_calls.h"
#include "weights/pickle_opcodes.h"
#include "weights/pickle_stack.h"

namespace sd::pickle {
namespace {

/// The stack machine of Python's pickletools, with the calls taken out.
class Machine {
 public:
  Machine(std::span<const std::byte> file, uint64_t begin, std::string label)
      : stack_(label), reader_(file, std::move(label), begin), begin_(begin) {}

  uint64_t position() const { return reader_.position(); }

  Document run() {
    for (;;) {
      if (reader_.position() - begin_ > kMaxBytes)
        stack_.fail(fmt::format("more than {} bytes", kMaxBytes));
      const auto op = static_cast<Op>(reader_.u8());
      if (op == Op::kStop) break;
      if (!scalar(op) && !text(op) && !container(op) && !fill(op) && !stack_and_memo(op) &&
          !call(op)) {
        stack_.fail(fmt::format("opcode 0x{:02x} at byte {} is not one that checkpoints use",
                                static_cast<int>(op), reader_.position() - 1));
      }
    }
    return stack_.finish();
  }

 private:
  // --- opcodes, by what they do; false: not of this kind

  bool scalar(Op op) {
    switch (op) {
      case Op::kNone:
        stack_.push(None{});
        return true;
      case Op::kNewTrue:
        stack_.push(true);
        return true;
      case Op::kNewFalse:
        stack_.push(false);
        return true;
      case Op::kBinInt:
        stack_.push(int64_t{static_cast<int32_t>(reader_.u32())});
        return true;
      case Op::kBinInt1:
        stack_.push(int64_t{reader_.u8()});
        return true;
      case Op::kBinInt2:
        stack_.push(int64_t{reader_.u16()});
        return true;
      case Op::kLong1:
        push_long(reader_.u8());
        return true;
      case Op::kLong4:
        push_long(reader_.u32());
        return true;
      case Op::kBinFloat: {
        uint64_t bits = 0;  // the one big-endian field of the format
        for (int i = 0; i < 8; ++i) bits = bits << 8 | reader_.u8();
        stack_.push(std::bit_cast<double>(bits));
        return true;
      }
      default:
        return false;
    }
  }

  /// A two's complement integer of `size` bytes, low byte first.
  void push_long(uint64_t size) {
    const auto bytes = reader_.bytes(size);
    if (size > 8) {
      stack_.push(BigInteger{});
      return;
    }
    uint64_t bits = 0;
    for (std::size_t i = 0; i < size; ++i) bits |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
    if (size > 0 && size < 8 && (bits >> (8 * size - 1)) != 0) bits |= ~uint64_t{0} << (8 * size);
    stack_.push(static_cast<int64_t>(bits));
  }

  bool text(Op op) {
    switch (op) {
      case Op::kShortBinUnicode:
      case Op::kShortBinString:
        stack_.push(Text{reader_.text(reader_.u8())});
        return true;
      case Op::kBinUnicode:
      case Op::kBinString:
        stack_.push(Text{reader_.text(reader_.u32())});
        return true;
      case Op::kBinUnicode8:
        stack_.push(Text{reader_.text(reader_.u64())});
        return true;
      case Op::kShortBinBytes:
        stack_.push(Bytes{reader_.bytes(reader_.u8())});
        return true;
      case Op::kBinBytes:
        stack_.push(Bytes{reader_.bytes(reader_.u32())});
        return true;
      case Op::kBinBytes8:
      case Op::kByteArray8:
        stack_.push(Bytes{reader_.bytes(reader_.u64())});
        return true;
      default:
        return false;
    }
  }

  bool container(Op op) {
    switch (op) {
      case Op::kEmptyList:
        stack_.push(List{});
        return true;
      case Op::kEmptyTuple:
        stack_.push(Tuple{});
        return true;
      case Op::kEmptyDict:
        stack_.push(Dict{});
        return true;
      case Op::kEmptySet:
        stack_.push(Set{});
        return true;
      case Op::kList:
        stack_.push(List{stack_.pop_to_mark()});
        return true;
      case Op::kTuple:
        stack_.push(Tuple{stack_.pop_to_mark()});
        return true;
      case Op::kFrozenSet:
        stack_.push(Set{stack_.pop_to_mark()});
        return true;
      case Op::kDict: {
        const Id dict = stack_.make(Dict{});
        add_pairs(dict, stack_.pop_to_mark());
        stack_.push_id(dict);
        return true;
      }
      case Op::kTuple1:
      case Op::kTuple2:
      case Op::kTuple3: {
        std::vector<Id> items(static_cast<std::size_t>(op) - static_cast<std::size_t>(Op::kTuple1) +
                              1);
        for (auto item = items.rbegin(); item != items.rend(); ++item) *item = stack_.pop();
        stack_.push(Tuple{std::move(items)});
        return true;
      }
      default:
        return false;
    }
  }

  bool fill(Op op) {
    switch (op) {
      case Op::kAppend: {
        const Id item = stack_.pop();
        add_items(stack_.top(), {item});
        return true;
      }
      case Op::kAppends:
      case Op::kAddItems: {
        const auto items = stack_.pop_to_mark();
        add_items(stack_.top(), items);
        return true;
      }
      case Op::kSetItem: {
        const Id value = stack_.pop();
        const Id key = stack_.pop();
        add_pairs(stack_.top(), {key, value});
        return true;
      }
      case Op::kSetItems: {
        const auto items = stack_.pop_to_mark();
        add_pairs(stack_.top(), items);
        return true;
      }
      default:
        return false;
    }
  }

  void add_items(Id target, const std::vector<Id>& items) {
    if (stack_.get<Placeholder>(target)) return;
    if (auto* list = stack_.get<List>(target)) {
      list->items.insert(list->items.end(), items.begin(), items.end());
    } else if (auto* set = stack_.get<Set>(target)) {
      set->items.insert(set->items.end(), items.begin(), items.end());
    } else {
      stack_.fail(fmt::format("items added to what is no list at byte {}", reader_.position()));
    }
  }

  void add_pairs(Id target, const std::vector<Id>& items) {
    if (stack_.get<Placeholder>(target)) return;
    auto* dict = stack_.get<Dict>(target);
    if (!dict || items.size() % 2 != 0) {
      stack_.fail(fmt::format("pairs set in what is no dictionary at byte {}", reader_.position()));
    }
    for (std::size_t i = 0; i < items.size(); i += 2)
      dict->items.emplace_back(items[i], items[i + 1]);
  }

  bool stack_and_memo(Op op) {
    switch (op) {
      case Op::kMark:
        stack_.mark();
        return true;
      case Op::kPop:
        stack_.drop();
        return true;
      case Op::kPopMark:
        stack_.pop_to_mark();
        return true;
      case Op::kDup:
        stack_.push_id(stack_.top());
        return true;
      case Op::kBinPut:
        stack_.memoize(reader_.u8());
        return true;
      case Op::kLongBinPut:
        stack_.memoize(reader_.u32());
        return true;
      case Op::kMemoize:
        stack_.memoize_next();
        return true;
      case Op::kBinGet:
        stack_.push_id(stack_.recall(reader_.u8()));
        return true;
      case Op::kLongBinGet:
        stack_.push_id(stack_.recall(reader_.u32()));
        return true;
      case Op::kProto: {
        const int protocol = reader_.u8();
        if (protocol < 2 || protocol > 5)
          stack_.fail(fmt::format("protocol {}, expected 2 to 5", protocol));
        return true;
      }
      case Op::kFrame:
        if (reader_.u64() > reader_.left()) stack_.fail("a frame that is longer than the pickle");
        return true;
      default:
        return false;
    }
  }

  bool call(Op op) {
    switch (op) {
      case Op::kGlobal: {
        const auto module = reader_.line();
        push_global(stack_, module, reader_.line());
        return true;
      }
      case Op::kStackGlobal: {
        const auto* name = stack_.get<Text>(stack_.pop());
        const auto* module = stack_.get<Text>(stack_.pop());
        if (!name || !module) stack_.fail("a global whose name is no text");
        push_global(stack_, module->utf8, name->utf8);
        return true;
      }
      case Op::kNewObjEx:
        stack_.pop();  // keywords
        stack_.pop();
        refuse_call(stack_, stack_.pop());
      case Op::kReduce:
      case Op::kNewObj: {
        const Id arguments = stack_.pop();
        push_result(stack_, stack_.pop(), arguments,
                    op == Op::kReduce ? Making::kCall : Making::kInstance);
        return true;
      }
      case Op::kBuild:
        // The state of an object: tensors and dictionaries have none that matters here.
        give_state(stack_, stack_.pop());
        return true;
      case Op::kInst: {  // (… INST module name: module.name(*arguments)
        const auto module = reader_.line();
        push_global(stack_, module, reader_.line());
        refuse_call(stack_, stack_.pop());
      }
      case Op::kObj: {  // (class … OBJ: class(*arguments)
        const auto items = stack_.pop_to_mark();
        if (items.empty()) stack_.fail("it calls nothing");
        refuse_call(stack_, items.front());
      }
      case Op::kExt1:
      case Op::kExt2:
      case Op::kExt4:
        stack_.fail(
            "it names a class by a number of Python's extension registry (EXT), which checkpoints "
            "do not use");
      case Op::kBinPersId:
        push_storage(stack_, stack_.pop());
        return true;
      default:
        return false;
    }
  }

  Stack stack_;
  ByteReader reader_;
  uint64_t begin_;
};

}  // namespace

Document read(std::span<const std::byte> pickle, const std::string& label) {
  if (pickle.size() > kMaxBytes) {
    throw CheckpointError(fmt::format("{}: a pickle of {} bytes; at most {} are read", label,
                                      pickle.size(), kMaxBytes));
  }
  uint64_t position = 0;
  return read_next(pickle, position, label);
}

Document read_next(std::span<const std::byte> file, uint64_t& position, const std::string& label) {
  Machine machine(file, position, label);
  Document document = machine.run();
  position = machine.position();
  return document;
}

}  // namespace sd::pickle
