// Requests are found the same in the bytes of a connection however the network cuts them, within the limits, and what
// is asked of their heads afterwards (who sends it, from which page) holds whatever stands there.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serving/http_reader.hpp"
#include "serving/trusted_proxies.hpp"

namespace {

using namespace famemely;
using namespace famemely::serving;

constexpr HttpLimits kLimits{.head_bytes_max = 600, .fields_max = 8, .body_bytes_max = 200};

struct Seen {
  HttpRequest request;
  bool keep_alive;
  bool upgrades;

  bool operator==(const Seen& other) const {
    return request.method == other.request.method && request.target == other.request.target &&
           request.body == other.request.body && keep_alive == other.keep_alive && upgrades == other.upgrades &&
           std::vector(request.fields.begin(), request.fields.end()) ==
               std::vector(other.request.fields.begin(), other.request.fields.end());
  }
};
struct Reading {
  std::vector<Seen> requests;
  int fault = 0;
  bool inside_request = false;
};

/// Reads on as far as the bytes go; false once the connection is done for.
bool advance(HttpReader& reader, Reading& reading) {
  for (;;) {
    const HttpReader::Step step = reader.next();
    if (std::holds_alternative<HttpReader::NeedMore>(step)) return true;
    if (const auto* fault = std::get_if<HttpReader::Fault>(&step)) {
      if (fault->status != 400 && fault->status != 413 && fault->status != 431) std::abort();
      reading.fault = fault->status;
      return false;
    }
    if (std::holds_alternative<HttpReader::Head>(step)) {
      if (reader.head().fields.size() > kLimits.fields_max) std::abort();
      if (reader.body_bytes_expected() > kLimits.body_bytes_max) std::abort();
      continue;
    }
    const bool keep_alive = reader.keep_alive();
    const bool upgrades = reader.upgrades_to_websocket();
    reading.requests.push_back({reader.take_request(), keep_alive, upgrades});
    if (reading.requests.back().request.body.size() > kLimits.body_bytes_max) std::abort();
  }
}

Reading read(std::string_view bytes, std::size_t step) {
  HttpReader reader(kLimits);
  Reading reading;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    reader.append(bytes.substr(at, step));
    if (!advance(reader, reading)) break;
    if (reader.buffered() > kLimits.head_bytes_max) std::abort();  // whatever it waits for
  }
  reading.inside_request = reader.inside_request();
  return reading;
}

void look_at(const HttpRequest& request) {
  static const TrustedProxies proxies(
      {AddressRange::parse("127.0.0.0/8").value(), AddressRange::parse("::/0").value()});
  static const IpAddress proxy = IpAddress::parse("127.0.0.1").value();
  static const IpAddress stranger = IpAddress::parse("192.0.2.1").value();
  const RequestSender sender = proxies.sender_of(request.fields, {proxy});
  if (!IpAddress::parse(sender.address.text())) std::abort();
  if (proxies.sender_of(request.fields, {stranger}) != RequestSender{stranger}) std::abort();
  static_cast<void>(request.path());
  static_cast<void>(request.query_parameter("sid"));
  static_cast<void>(request.query_parameter("transport"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Reading whole = read(bytes, size + 1);
  // What is wrong with a head that has no end yet is found out sooner or later, as it is cut.
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
    const Reading cut = read(bytes, step);
    if (cut.requests != whole.requests) std::abort();
    if ((cut.fault != 0) != (whole.fault != 0) && !(cut.fault == 0 ? cut : whole).inside_request) std::abort();
  }
  for (const Seen& seen : whole.requests) look_at(seen.request);
  return 0;
}
