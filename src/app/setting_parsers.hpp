#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.hpp"
#include "base/result.hpp"

namespace famemely::app {

/// The notations of single settings. A fault says more than the setting's `allowed`, or is empty where that is enough.

/// `HOST`: IP addresses separated by commas, with or without brackets; `localhost` is both loopback addresses, `*` all
/// addresses, which is the empty list.
[[nodiscard]] Result<std::vector<std::string>, std::string> parse_listen_addresses(std::string_view text);

/// `CORS_ORIGINS`: exact origins as browsers send them (RFC 6454 section 6.2), or `*` alone. Letters become lower case
/// and a port that goes without saying is taken off, as browsers do.
[[nodiscard]] Result<std::vector<std::string>, std::string> parse_origins(std::string_view text);

/// An `http://` or `https://` URL without user, query and fragment; slashes at its end are taken off.
[[nodiscard]] Result<std::string, std::string> parse_http_url(std::string_view text);

/// `TRUST_PROXY`: IP addresses and ranges separated by commas.
[[nodiscard]] Result<std::vector<std::string>, std::string> parse_address_ranges(std::string_view text);

/// `FAMEMELY_DATABASE_URL`: `sqlite:PATH`, `sqlite::memory:`, `postgres://…`, `postgresql://…`.
[[nodiscard]] bool is_database_url(std::string_view text);

/// `MQTT_TLS_ALPN`: names of protocols separated by commas.
[[nodiscard]] Result<std::vector<std::string>, std::string> parse_alpn(std::string_view text);

/// `MQTT_WS_PATH`: a path with or without a query, as it stands in a request (RFC 9112 section 3.2.1).
[[nodiscard]] bool is_request_target(std::string_view text);

/// `MQTT_WS_HEADERS`: `Name: value`, several separated by `|`; `||` is a bar in a value. The fault repeats no value.
[[nodiscard]] Result<HttpFields, std::string> parse_ws_headers(std::string_view text);

/// The URL with `***` in place of the password between `:` and `@`, and of a query, in which tokens may stand.
/// Of `key=value` pairs it shows what stands before the one of the password, and its key.
[[nodiscard]] std::string hide_password(std::string_view url);

}  // namespace famemely::app
