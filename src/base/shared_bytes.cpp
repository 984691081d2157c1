#include "base/shared_bytes.hpp"

#include <cstring>
#include <new>

namespace famemely {

SharedBytes::SharedBytes(std::string_view content) {
  void* memory = ::operator new(sizeof(Block) + content.size());
  block_ = new (memory) Block{1, content.size()};
  if (!content.empty()) std::memcpy(static_cast<char*>(memory) + sizeof(Block), content.data(), content.size());
}

std::string_view SharedBytes::view() const {
  if (!block_) return {};
  return {reinterpret_cast<const char*>(block_) + sizeof(Block), block_->size};
}

void SharedBytes::destroy(Block* block) noexcept {
  block->~Block();
  ::operator delete(block);
}

}  // namespace famemely
