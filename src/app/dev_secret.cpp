#include "app/dev_secret.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "app/values.hpp"
#include "base/base64.hpp"
#include "io/descriptor.hpp"

namespace famemely::app {
namespace {

constexpr std::size_t kSecretBytes = 32;
/// HS256 wants a key as long as its output (RFC 7518 section 3.2).
constexpr std::size_t kSecretBytesMin = 32;
constexpr std::size_t kFileBytesMax = 4096;
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

std::string fault(std::string_view name, std::string_view what) {
  return std::string(name) + ": " + std::string(what) + "; set SUPABASE_JWT_SECRET, or mend that";
}

/// Nothing if there is no such file.
Result<std::optional<std::string>, std::string> read_secret(const std::string& name) {
  const io::Descriptor file(::open(name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.open() && errno == ENOENT) return std::nullopt;
  if (!file.open()) return failure(fault(name, std::strerror(errno)));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) return failure(fault(name, "not a plain file"));
  // Copied or checked out it may have become readable for others.
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) std::ignore = ::fchmod(file.number(), kOwnerOnly);
  std::string content(kFileBytesMax, '\0');
  const ssize_t size = ::read(file.number(), content.data(), content.size());
  if (size < 0) return failure(fault(name, std::strerror(errno)));
  content.resize(static_cast<std::size_t>(size));
  std::string secret(trim(content));
  if (secret.size() < kSecretBytesMin) return failure(fault(name, "holds no secret of 32 bytes or more; delete it"));
  return secret;
}

/// Writes it aside, then gives it its name, which fails if another process was faster.
std::optional<std::string> create(const std::string& name, std::string_view content) {
  std::string aside = name + ".XXXXXX";
  const io::Descriptor file(::mkostemp(aside.data(), O_CLOEXEC));  // mode 0600
  if (!file.open()) return fault(name, std::strerror(errno));
  const bool written = ::write(file.number(), content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                       ::fsync(file.number()) == 0;
  const bool named = written && (::link(aside.c_str(), name.c_str()) == 0 || errno == EEXIST);
  const int reason = errno;
  ::unlink(aside.c_str());
  if (!named) return fault(name, std::strerror(reason));
  return std::nullopt;
}

}  // namespace

Result<std::string, std::string> dev_secret(const std::filesystem::path& directory, RandomSource& random) {
  const std::string name = (directory / kDevSecretFile).string();
  auto kept = read_secret(name);
  if (!kept) return failure(std::move(kept.error()));
  if (*kept) return std::move(**kept);
  std::uint8_t bytes[kSecretBytes];
  random.fill(bytes);
  const std::string fresh = base64url_encode({reinterpret_cast<const char*>(bytes), sizeof bytes});
  if (auto reason = create(name, fresh + "\n")) return failure(std::move(*reason));
  kept = read_secret(name);
  if (!kept) return failure(std::move(kept.error()));
  if (!*kept) return failure(fault(name, "it vanished at once"));
  return std::move(**kept);
}

}  // namespace famemely::app
