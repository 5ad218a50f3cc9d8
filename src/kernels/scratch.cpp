#include "kernels/scratch.h"

#include "kernels/huge_buffer.h"

namespace sd::kernels {

std::byte* thread_scratch(std::size_t bytes) {
  thread_local HugeBuffer buffer;
  if (buffer.bytes() < bytes) {
    buffer = HugeBuffer();  // before the larger one is taken
    buffer = HugeBuffer(bytes);
  }
  return buffer.as();
}

}  // namespace sd::kernels
