#include "protocol/mqtt/topic_algebra.hpp"

#include "protocol/mqtt/topic_text.hpp"

namespace famemely::mqtt {
namespace {

bool begins_with_wildcard(std::string_view filter) { return filter.front() == '+' || filter.front() == '#'; }
bool begins_with_dollar(std::string_view text) { return text.starts_with('$'); }

/// A topic is not empty, so these two do not include their parent: said in full, they need no rule of their own.
std::string_view in_full(const TopicFilter& filter) {
  if (filter.text() == "#") return "+/#";
  if (filter.text() == "/#") return "/+/#";
  return filter.text();
}

}  // namespace

bool matches(const TopicFilter& filter, std::string_view topic) {
  if (begins_with_wildcard(filter.text()) && begins_with_dollar(topic)) return false;
  LevelCursor filter_levels(filter.text());
  LevelCursor topic_levels(topic);
  while (!filter_levels.done()) {
    const std::string_view wanted = filter_levels.next();
    if (wanted == "#") return true;
    if (topic_levels.done()) return false;
    const std::string_view level = topic_levels.next();
    if (wanted != "+" && wanted != level) return false;
  }
  return topic_levels.done();
}

bool covers(const TopicFilter& outer, const TopicFilter& inner) {
  if (begins_with_wildcard(outer.text()) && begins_with_dollar(inner.text())) return false;
  LevelCursor outer_levels(outer.text());
  LevelCursor inner_levels(in_full(inner));
  while (!outer_levels.done()) {
    const std::string_view wanted = outer_levels.next();
    if (wanted == "#") return true;
    if (inner_levels.done()) return false;
    const std::string_view level = inner_levels.next();
    if (level == "#") return false;  // it goes deeper than any filter without `#`
    if (wanted != "+" && wanted != level) return false;
  }
  return inner_levels.done();
}

bool overlaps(const TopicFilter& one, const TopicFilter& other) {
  if (begins_with_wildcard(one.text()) && begins_with_dollar(other.text())) return false;
  if (begins_with_wildcard(other.text()) && begins_with_dollar(one.text())) return false;
  LevelCursor one_levels(in_full(one));
  LevelCursor other_levels(in_full(other));
  while (!one_levels.done() && !other_levels.done()) {
    const std::string_view one_level = one_levels.next();
    const std::string_view other_level = other_levels.next();
    if (one_level == "#" || other_level == "#") return true;
    if (one_level != "+" && other_level != "+" && one_level != other_level) return false;
  }
  // `a/#` includes `a`: what is left of the longer one may be that last level only.
  if (!one_levels.done()) return one_levels.next() == "#";
  if (!other_levels.done()) return other_levels.next() == "#";
  return true;
}

}  // namespace famemely::mqtt
