#include "api/client_bundle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/content_coding.hpp"
#include "base/http_error.hpp"

namespace famemely::api {
namespace {

constexpr std::string_view kFolder = "/socket.io/";
constexpr std::string_view kNames[] = {
    "socket.io.js",         "socket.io.js.map",         "socket.io.min.js",         "socket.io.min.js.map",
    "socket.io.esm.min.js", "socket.io.esm.min.js.map", "socket.io.msgpack.min.js", "socket.io.msgpack.min.js.map"};

std::string_view file_name(std::string_view path) {
  return path.starts_with(kFolder) ? path.substr(kFolder.size()) : std::string_view();
}

/// The value of If-None-Match, which compares weakly (RFC 9110 section 13.1.2). Our tags hold no comma.
bool lists_tag(std::string_view tags, std::string_view tag) {
  while (!tags.empty()) {
    const std::size_t comma = tags.find(',');
    std::string_view item = tags.substr(0, comma);
    tags.remove_prefix(comma == std::string_view::npos ? tags.size() : comma + 1);
    while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
    while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == tag) return true;
  }
  return false;
}

/// One form of a file. Each has a tag of its own, as strong tags must (RFC 9110 section 8.8.3.3).
struct Form {
  std::string_view coding;  // empty: none
  std::string_view bytes;
};

Form choose_form(const BundledFile& file, std::string_view accept_encoding) {
  if (accepts_coding(accept_encoding, "br")) return {"br", file.brotli};
  if (accepts_gzip(accept_encoding)) return {"gzip", file.gzip};
  return {"", file.plain};
}

}  // namespace

bool ClientBundle::claims(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return false;
  return std::ranges::find(kNames, file_name(request.path())) != std::ranges::end(kNames);
}

HttpResponse ClientBundle::answer(const HttpRequest& request) const {
  if (!wanted_) return http_error(404, "The client bundle is not served: SERVE_CLIENT is false");
  const std::string_view name = file_name(request.path());
  const auto file = std::ranges::find(files_, name, &BundledFile::name);
  if (file == files_.end())
    return http_error(404, "The client bundle is not served: this program was built with FAMEMELY_CLIENT_BUNDLE=OFF");

  const Form form = choose_form(*file, request.fields.value_or("Accept-Encoding", ""));
  const std::string tag =
      form.coding.empty() ? fmt::format("\"{}\"", file->digest) : fmt::format("\"{}-{}\"", file->digest, form.coding);
  HttpResponse response;
  response.fields.add("ETag", tag);
  response.fields.add("Cache-Control", "public, max-age=0");
  response.fields.add("Vary", "Accept-Encoding");
  if (lists_tag(request.fields.value_or("If-None-Match", ""), tag)) {
    response.status = 304;
    return response;
  }
  response.fields.add("Content-Type", name.ends_with(".map") ? "application/json; charset=utf-8"
                                                             : "application/javascript; charset=utf-8");
  if (!form.coding.empty()) response.fields.add("Content-Encoding", std::string(form.coding));
  response.body = form.bytes;
  return response;
}

}  // namespace famemely::api
