#include "api/audit_log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/utf8.hpp"

namespace famemely::api {
namespace {

constexpr std::chrono::seconds kSummaryInterval{1};

}  // namespace

std::string_view AuditLog::name_of(AuditEvent event) {
  switch (event) {
    case AuditEvent::connected:
      return "client connected";
    case AuditEvent::recovered:
      return "client recovered";
    case AuditEvent::disconnected:
      return "client disconnected";
    case AuditEvent::refused:
      return "connection refused";
    case AuditEvent::turned_away:
      return "turned away";
    case AuditEvent::unauthorized:
      return "request refused";
    case AuditEvent::denied:
      return "denied";
    case AuditEvent::subscribed:
      return "subscribe";
    case AuditEvent::revoked:
      return "subscription revoked";
    case AuditEvent::renewed:
      return "token renewed";
    case AuditEvent::not_renewed:
      return "token not renewed";
    case AuditEvent::administrator:
      return "administrator";
  }
  return "";
}

std::vector<LogField> AuditLog::cut(std::vector<LogField> fields) {
  for (LogField& field : fields) {
    if (field.value.size() <= kFieldBytesMax) continue;
    field.value.resize(well_formed_prefix(std::string_view(field.value).substr(0, kFieldBytesMax)));
    field.value += "…";
  }
  return fields;
}

bool AuditLog::takes(AuditEvent event, Instant now) {
  if (!logger_.enabled(LogLevel::info)) return false;
  Bucket& bucket = buckets_[static_cast<std::size_t>(event)];
  const std::chrono::duration<double> passed = now - bucket.filled_at;
  bucket.lines = std::min(kLinesAtOnce, bucket.lines + passed.count() * kLinesPerSecond);
  bucket.filled_at = now;
  if (bucket.lines >= 1) {
    bucket.lines -= 1;
    return true;
  }
  ++bucket.left_out;
  if (next_summary_ == kNever) next_summary_ = now + kSummaryInterval;
  return false;
}

void AuditLog::on_timer(Instant now) {
  if (now < next_summary_) return;
  next_summary_ = kNever;
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    if (const std::uint64_t count = std::exchange(buckets_[i].left_out, 0); count > 0)
      logger_.info("lines left out", {{"of", name_of(static_cast<AuditEvent>(i))}, {"count", count}});
}

}  // namespace famemely::api
