#include "app/dotenv.hpp"

#include <algorithm>

#include "app/values.hpp"

namespace famemely::app {
namespace {

bool is_name_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
         letter == '_' || letter == '.' || letter == '-';
}

/// Where the quote that opens at `start` is closed; a backslash hides the letter after it.
std::size_t closing_quote(std::string_view text, std::size_t start) {
  for (std::size_t at = start + 1; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == text[start])
      return at;
  }
  return text.npos;
}

std::string undo_line_escapes(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == 'n' || text[at + 1] == 'r');
    if (escape)
      out.push_back(text[++at] == 'n' ? '\n' : '\r');
    else
      out.push_back(text[at]);
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // the byte order mark of some editors
  }

  DotenvText read() {
    while (at_ < text_.size()) {
      ++line_;
      read_line();
    }
    return std::move(result_);
  }

 private:
  void read_line() {
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view line = trim(text_.substr(at_, end - at_));
    if (line.empty() || line.front() == '#') return skip_to(end);
    if (line.starts_with("export ") || line.starts_with("export\t")) line = trim(line.substr(7));
    const auto name_end = static_cast<std::size_t>(std::ranges::find_if_not(line, is_name_letter) - line.begin());
    const std::string_view rest = trim(line.substr(name_end));
    if (name_end == 0 || !rest.starts_with('=')) {
      result_.strange_lines.push_back(line_);
      return skip_to(end);
    }
    DotenvEntry entry{std::string(line.substr(0, name_end)), "", line_};
    const std::string_view value = trim(rest.substr(1));
    if (!value.empty() && (value.front() == '"' || value.front() == '\'' || value.front() == '`')) {
      read_quoted(entry, static_cast<std::size_t>(value.data() - text_.data()), end);
    } else {
      read_bare(entry, value);
      skip_to(end);
    }
    result_.entries.push_back(std::move(entry));
  }

  void read_bare(DotenvEntry& entry, std::string_view value) const {
    const std::size_t hash = value.find('#');
    entry.cut_at_hash = hash != value.npos && hash > 0 && value[hash - 1] != ' ' && value[hash - 1] != '\t';
    entry.value = trim(value.substr(0, hash));
  }

  void read_quoted(DotenvEntry& entry, std::size_t quote, std::size_t line_end) {
    const std::size_t close = closing_quote(text_, quote);
    const std::size_t end = close == text_.npos ? line_end : std::min(text_.find('\n', close), text_.size());
    const std::string_view after = close == text_.npos ? "" : trim(text_.substr(close + 1, end - close - 1));
    if (close == text_.npos || (!after.empty() && after.front() != '#')) {
      entry.bad_quotes = true;
      read_bare(entry, trim(text_.substr(quote, line_end - quote)));
      return skip_to(line_end);
    }
    const std::string_view inside = text_.substr(quote + 1, close - quote - 1);
    entry.value = text_[quote] == '"' ? undo_line_escapes(inside) : std::string(inside);
    line_ += static_cast<std::size_t>(std::ranges::count(inside, '\n'));
    skip_to(end);
  }

  void skip_to(std::size_t line_end) { at_ = line_end + 1; }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
  DotenvText result_;
};

}  // namespace

DotenvText parse_dotenv(std::string_view text) { return Reader(text).read(); }

}  // namespace famemely::app
