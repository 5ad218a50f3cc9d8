// An IP-Adapter, or CLIP's vision tower: any bytes under a file's name, told apart by content. What
// is opened has tensors that lie in their file.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "sd/weights/ip_adapter_file.h"
#include "support/temp_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  static const sd::test::TempFolder folder;
  const auto path = folder / "fuzz.safetensors";
  sd::test::write_text(path, {reinterpret_cast<const char*>(bytes), size});
  try {
    sd::fuzz::touch_all(*sd::open_ip_adapter(path).tensors);
  } catch (const sd::Error&) {
  }
  try {
    sd::fuzz::touch_all(*sd::open_clip_vision(path).tensors);
  } catch (const sd::Error&) {
  }
  return 0;
}
