#pragma once

#include <span>
#include <string_view>

#include "base/http_message.hpp"

namespace famemely::api {

/// A file of the official client's browser builds, in every form it is sent in.
struct BundledFile {
  std::string_view name;    // `socket.io.min.js`
  std::string_view digest;  // of the content
  std::string_view plain;
  std::string_view gzip;
  std::string_view brotli;
};

/// What `<script src="/socket.io/socket.io.min.js">` asks for, answered as the official server does: browsers ask each
/// time whether theirs is still the one, and get 304 while it is.
class ClientBundle {
 public:
  /// The files must outlive this. Nothing is served without them, or if it is not wanted.
  ClientBundle(std::span<const BundledFile> files, bool wanted) : files_(files), wanted_(wanted) {}

  /// True for GET and HEAD of one of the official server's eight files, also where none is served: the answer then says
  /// why.
  [[nodiscard]] static bool claims(const HttpRequest& request);
  [[nodiscard]] HttpResponse answer(const HttpRequest& request) const;

 private:
  std::span<const BundledFile> files_;
  bool wanted_;
};

}  // namespace famemely::api
