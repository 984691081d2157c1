#include "protocol/websocket/deflate_offer.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/deflate.hpp"

namespace famemely::websocket {
namespace {

struct Parameter {
  std::string_view name;
  std::optional<std::string> value;
};
struct Extension {
  std::string_view name;
  std::vector<Parameter> parameters;
};

/// A token's characters (RFC 9110 section 5.6.2).
bool is_token_character(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

//  extension-list  = 1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )
class ExtensionsParser {
 public:
  explicit ExtensionsParser(std::string_view text) : rest_(text) {}

  /// The extensions, or nothing if the text breaks the grammar.
  std::optional<std::vector<Extension>> parse() {
    std::vector<Extension> extensions;
    while (true) {
      // A list may have empty elements (RFC 9110 section 5.6.1).
      while (take(',')) {
      }
      if (rest_.empty()) return extensions;
      Extension extension;
      if (!read_extension(extension)) return std::nullopt;
      extensions.push_back(std::move(extension));
      if (!rest_.empty() && rest_.front() != ',') return std::nullopt;
    }
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  /// Takes this character and the space around it, if it comes next.
  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    skip_space();
    return true;
  }

  std::string_view read_token() {
    const auto end = std::ranges::find_if_not(rest_, is_token_character);
    const std::string_view token = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(token.size());
    return token;
  }

  /// What is quoted must be a token all the same.
  std::optional<std::string> read_value() {
    if (!rest_.starts_with('"')) {
      const std::string_view token = read_token();
      return token.empty() ? std::nullopt : std::optional<std::string>(token);
    }
    rest_.remove_prefix(1);
    std::string value;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty() || !is_token_character(rest_.front())) return std::nullopt;
      value.push_back(rest_.front());
      rest_.remove_prefix(1);
    }
    if (rest_.empty() || value.empty()) return std::nullopt;
    rest_.remove_prefix(1);
    return value;
  }

  bool read_extension(Extension& extension) {
    extension.name = read_token();
    if (extension.name.empty()) return false;
    while (take(';')) {
      Parameter parameter{.name = read_token(), .value = {}};
      if (parameter.name.empty()) return false;
      if (take('=')) {
        parameter.value = read_value();
        if (!parameter.value) return false;
      }
      extension.parameters.push_back(std::move(parameter));
    }
    return true;
  }

  std::string_view rest_;
};

/// `8` to `15`, without leading zeros (RFC 7692 section 7.1.2); 0 for anything else.
int window_bits(const std::optional<std::string>& text) {
  if (!text) return 0;
  if (*text == "8" || *text == "9") return (*text)[0] - '0';
  if (text->size() == 2 && (*text)[0] == '1' && (*text)[1] >= '0' && (*text)[1] <= '5') return 10 + ((*text)[1] - '0');
  return 0;
}

std::optional<DeflateAgreement> accept(const Extension& offer) {
  if (offer.name != "permessage-deflate") return std::nullopt;
  DeflateAgreement agreement;
  for (auto parameter = offer.parameters.begin(); parameter != offer.parameters.end(); ++parameter) {
    const auto same_name = [&](const Parameter& other) { return other.name == parameter->name; };
    if (std::any_of(offer.parameters.begin(), parameter, same_name)) return std::nullopt;
    const int bits = window_bits(parameter->value);
    if (parameter->name == "server_no_context_takeover" || parameter->name == "client_no_context_takeover") {
      if (parameter->value) return std::nullopt;
    } else if (parameter->name == "server_max_window_bits") {
      if (bits < kDeflateWindowBitsMin) return std::nullopt;
      agreement = {.server_window_bits = static_cast<std::uint8_t>(bits), .window_asked = true};
    } else if (parameter->name == "client_max_window_bits") {
      // It lets the answer limit the client's window. The answer does not: our inflater takes any.
      if (parameter->value && bits == 0) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return agreement;
}

}  // namespace

std::expected<std::optional<DeflateAgreement>, ExtensionsFault> choose_deflate(const HttpFields& fields) {
  // Several fields are one list (RFC 9110 section 5.3).
  std::optional<DeflateAgreement> chosen;
  for (const auto& [name, value] : fields) {
    if (!equals_ignoring_case(name, "Sec-WebSocket-Extensions")) continue;
    const auto offers = ExtensionsParser(value).parse();
    if (!offers) return std::unexpected(ExtensionsFault{});
    for (const Extension& offer : *offers)
      if (!chosen) chosen = accept(offer);
  }
  return chosen;
}

std::string deflate_answer(const DeflateAgreement& agreement) {
  std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  if (agreement.window_asked)
    answer += "; server_max_window_bits=" + std::to_string(static_cast<int>(agreement.server_window_bits));
  return answer;
}

}  // namespace famemely::websocket
