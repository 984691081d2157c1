#include "base/json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace famemely {
namespace {

bool is_space(char letter) { return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r'; }
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// True for the bytes that end a run of plain string content: quote, backslash, control characters.
constexpr std::array<bool, 256> kEndsRun = [] {
  std::array<bool, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = true;
  table['"'] = table['\\'] = true;
  return table;
}();

/// Which of eight bytes, if any, needs a look: a quote, a backslash or a control character.
bool has_special(std::uint64_t chunk) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
  const auto zero_byte = [](std::uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  const std::uint64_t control = (chunk - kOnes * 0x20) & ~chunk & kHighs;
  return (control | zero_byte(chunk ^ kOnes * '"') | zero_byte(chunk ^ kOnes * '\\')) != 0;
}

/// Moves past plain string content.
std::size_t skip_run(std::string_view text, std::size_t at) {
  while (at + 8 <= text.size()) {
    std::uint64_t chunk;
    std::memcpy(&chunk, text.data() + at, 8);
    if (has_special(chunk)) break;
    at += 8;
  }
  while (at < text.size() && !kEndsRun[static_cast<std::uint8_t>(text[at])]) ++at;
  return at;
}

int hex_digit(char letter) {
  if (is_digit(letter)) return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

/// One pass over the text with a stack of one bit a level.
class Checker {
 public:
  Checker(std::string_view text, int depth_max) : text_(text), depth_max_(static_cast<std::size_t>(depth_max)) {}

  std::optional<JsonFault> run() {
    if (!document() && !fault_) fault_ = JsonFault{at_, "unexpected end of JSON"};
    return std::move(fault_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool fail(std::string what) {
    fault_ = JsonFault{at_, std::move(what)};
    return false;
  }

  bool unexpected() {
    if (at_ >= text_.size()) return fail("unexpected end of JSON");
    const auto byte = static_cast<std::uint8_t>(text_[at_]);
    return fail(byte >= 0x20 && byte < 0x7F ? fmt::format("unexpected character '{}'", text_[at_])
                                            : fmt::format("unexpected byte 0x{:02X}", byte));
  }

  bool document() {
    enum class Want { value, value_or_end, key_or_end, key, comma_or_end };
    Want want = Want::value;
    for (;;) {
      skip_space();
      if (want == Want::comma_or_end && stack_.empty()) return at_ == text_.size() || unexpected();
      if (at_ >= text_.size()) return unexpected();
      const char letter = text_[at_];
      switch (want) {
        case Want::key_or_end:
          if (letter == '}') {
            pop();
            want = Want::comma_or_end;
            continue;
          }
          [[fallthrough]];
        case Want::key:
          if (letter != '"') return unexpected();
          if (!string()) return false;
          skip_space();
          if (at_ >= text_.size() || text_[at_] != ':') return unexpected();
          ++at_;
          want = Want::value;
          continue;
        case Want::comma_or_end:
          if (letter == ',') {
            ++at_;
            want = stack_.back() ? Want::key : Want::value;
          } else if (letter == (stack_.back() ? '}' : ']')) {
            pop();
          } else {
            return unexpected();
          }
          continue;
        case Want::value_or_end:
          if (letter == ']') {
            pop();
            want = Want::comma_or_end;
            continue;
          }
          [[fallthrough]];
        case Want::value:
          if (letter == '{' || letter == '[') {
            if (stack_.size() >= depth_max_) {
              fail(fmt::format("nested over {} deep", depth_max_));
              fault_->too_deep = true;
              return false;
            }
            stack_.push_back(letter == '{');
            ++at_;
            want = letter == '{' ? Want::key_or_end : Want::value_or_end;
          } else {
            if (!scalar(letter)) return false;
            want = Want::comma_or_end;
          }
          continue;
      }
    }
  }

  void pop() {
    stack_.pop_back();
    ++at_;
  }

  bool scalar(char letter) {
    switch (letter) {
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool word(std::string_view expected) {
    for (const char letter : expected) {
      if (at_ >= text_.size() || text_[at_] != letter) return unexpected();
      ++at_;
    }
    return true;
  }

  bool digits() {
    if (at_ >= text_.size() || !is_digit(text_[at_])) return unexpected();
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return true;
  }

  bool number() {
    if (text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0')
      ++at_;
    else if (!digits())
      return false;
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return false;
    }
    return true;
  }

  bool string() {
    ++at_;
    for (;;) {
      at_ = skip_run(text_, at_);
      if (at_ >= text_.size()) return fail("unterminated string");
      const char letter = text_[at_];
      if (letter == '"') {
        ++at_;
        return true;
      }
      if (letter != '\\') return fail("control character in a string");
      ++at_;
      if (at_ >= text_.size()) return fail("unterminated string");
      if (text_[at_] == 'u') {
        ++at_;
        for (int i = 0; i < 4; ++i, ++at_)
          if (at_ >= text_.size() || hex_digit(text_[at_]) < 0) return fail("bad \\u escape");
      } else if (std::string_view("\"\\/bfnrt").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else {
        return fail("bad escape");
      }
    }
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  std::vector<bool> stack_;  // true: inside an object
  std::optional<JsonFault> fault_;
};

/// The functions below walk checked text only.
std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at;;) {
    at = skip_run(text, at);
    if (text[at] == '"') return at + 1;
    at += 2;
  }
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  int depth = 0;
  for (;;) {
    switch (text[at]) {
      case '"':
        at = skip_string(text, at);
        break;
      case '{':
      case '[':
        ++depth;
        ++at;
        break;
      case '}':
      case ']':
        --depth;
        ++at;
        break;
      case ',':
      case ':':
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        ++at;
        break;
      default:
        while (at < text.size() && std::string_view(",:]} \t\n\r").find(text[at]) == std::string_view::npos) ++at;
    }
    if (depth == 0) return at;
  }
}

char32_t code_unit(std::string_view text, std::size_t at) {
  char32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 4 | static_cast<char32_t>(hex_digit(text[at + i]));
  return value;
}

struct DecodedString {
  std::string text;
  bool has_lone_surrogate = false;
};

/// Decodes a checked string, quotes included.
DecodedString decoded(std::string_view quoted) {
  DecodedString result;
  std::string& out = result.text;
  out.reserve(quoted.size() - 2);
  std::size_t at = 1;
  for (;;) {
    const std::size_t end = skip_run(quoted, at);
    out.append(quoted.substr(at, end - at));
    at = end;
    if (quoted[at] == '"') return result;
    const char letter = quoted[at + 1];
    at += 2;
    switch (letter) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        char32_t unit = code_unit(quoted, at);
        at += 4;
        if (unit >= 0xD800 && unit < 0xDC00 && quoted.substr(at, 2) == "\\u") {
          const char32_t low = code_unit(quoted, at + 2);
          if (low >= 0xDC00 && low < 0xE000) {
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
          }
        }
        const bool half = unit >= 0xD800 && unit < 0xE000;
        result.has_lone_surrogate = result.has_lone_surrogate || half;
        append_utf8(out, half ? U'\uFFFD' : unit);
        break;
      }
      default:
        out.push_back(letter);
    }
  }
}

}  // namespace

std::optional<JsonFault> check_json(std::string_view text, int depth_max) { return Checker(text, depth_max).run(); }

Result<JsonView, JsonFault> JsonView::parse(std::string_view text, int depth_max) {
  if (auto fault = check_json(text, depth_max)) return failure(*std::move(fault));
  const std::size_t start = skip_space(text, 0);
  return JsonView(text.substr(start, skip_value(text, start) - start));
}

JsonKind JsonView::kind() const {
  switch (raw_.front()) {
    case 'n':
      return JsonKind::null;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case '"':
      return JsonKind::string;
    case '[':
      return JsonKind::array;
    case '{':
      return JsonKind::object;
    default:
      return JsonKind::number;
  }
}

std::optional<bool> JsonView::as_boolean() const {
  if (kind() != JsonKind::boolean) return std::nullopt;
  return raw_.front() == 't';
}

std::optional<double> JsonView::as_number() const {
  if (kind() != JsonKind::number) return std::nullopt;
  double value = 0;
  const auto [end, fault] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
  if (fault == std::errc::result_out_of_range) return std::nullopt;
  return value;
}

std::optional<std::int64_t> JsonView::as_integer() const {
  if (kind() != JsonKind::number) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
  if (fault == std::errc{} && end == raw_.data() + raw_.size()) return value;
  const std::optional<double> number = as_number();
  if (!number || std::trunc(*number) != *number || std::abs(*number) > 0x1p53) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::optional<std::string> JsonView::as_string() const {
  if (kind() != JsonKind::string) return std::nullopt;
  return decoded(raw_).text;
}

bool JsonView::has_lone_surrogate() const { return kind() == JsonKind::string && decoded(raw_).has_lone_surrogate; }

std::vector<JsonView> JsonView::elements() const {
  std::vector<JsonView> found;
  if (kind() != JsonKind::array) return found;
  std::size_t at = skip_space(raw_, 1);
  while (raw_[at] != ']') {
    const std::size_t end = skip_value(raw_, at);
    found.push_back(JsonView(raw_.substr(at, end - at)));
    at = skip_space(raw_, end);
    if (raw_[at] == ',') at = skip_space(raw_, at + 1);
  }
  return found;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  std::vector<std::pair<std::string, JsonView>> found;
  if (kind() != JsonKind::object) return found;
  std::size_t at = skip_space(raw_, 1);
  while (raw_[at] != '}') {
    const std::size_t key_end = skip_string(raw_, at);
    std::string key = decoded(raw_.substr(at, key_end - at)).text;
    at = skip_space(raw_, skip_space(raw_, key_end) + 1);  // past the colon
    const std::size_t end = skip_value(raw_, at);
    found.emplace_back(std::move(key), JsonView(raw_.substr(at, end - at)));
    at = skip_space(raw_, end);
    if (raw_[at] == ',') at = skip_space(raw_, at + 1);
  }
  return found;
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  std::optional<JsonView> found;
  if (kind() != JsonKind::object) return found;
  std::size_t at = skip_space(raw_, 1);
  while (raw_[at] != '}') {
    const std::size_t key_end = skip_string(raw_, at);
    const std::string_view quoted = raw_.substr(at, key_end - at);
    const std::string_view plain = quoted.substr(1, quoted.size() - 2);
    const bool same = plain.find('\\') == plain.npos ? plain == key : decoded(quoted).text == key;
    at = skip_space(raw_, skip_space(raw_, key_end) + 1);  // past the colon
    const std::size_t end = skip_value(raw_, at);
    if (same) found = JsonView(raw_.substr(at, end - at));
    at = skip_space(raw_, end);
    if (raw_[at] == ',') at = skip_space(raw_, at + 1);
  }
  return found;
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = skip_run(text, at);
    out.append(text.substr(at, end - at));
    if (end == text.size()) break;
    switch (const char letter = text[end]) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(letter));
    }
    at = end + 1;
  }
  out.push_back('"');
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace famemely
