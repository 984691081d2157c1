#include "io/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/descriptor.hpp"

namespace famemely::io {

Result<std::string, std::string> read_small_file(const std::string& name, std::size_t bytes_max) {
  const auto fault = [&](const std::string& what) { return failure(name + ": " + what); };
  // A pipe without a writer must not stop us.
  const Descriptor file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.open()) return fault(std::strerror(errno));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return fault(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fault("not a plain file");
  std::string content(bytes_max + 1, '\0');
  std::size_t size = 0;
  for (ssize_t more = 1; more > 0 && size < content.size(); size += static_cast<std::size_t>(more)) {
    more = ::read(file.number(), content.data() + size, content.size() - size);
    if (more < 0) return fault(std::strerror(errno));
  }
  if (size > bytes_max) return fault("it is over " + std::to_string(bytes_max) + " bytes");
  content.resize(size);
  return content;
}

}  // namespace famemely::io
