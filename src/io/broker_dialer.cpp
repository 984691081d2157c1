#include "io/broker_dialer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/broker_address.hpp"

namespace famemely::io {

std::vector<boost::asio::ip::tcp::endpoint> order_of_attempts(const std::vector<boost::asio::ip::tcp::endpoint>& found,
                                                              std::size_t first) {
  using boost::asio::ip::tcp;
  if (found.empty()) return {};
  std::vector<tcp::endpoint> families[2];
  for (const tcp::endpoint& endpoint : found) {
    auto& family = families[endpoint.protocol() == found.front().protocol() ? 0 : 1];
    if (std::ranges::find(family, endpoint) == family.end()) family.push_back(endpoint);
  }
  std::vector<tcp::endpoint> order;
  for (std::size_t i = 0; i < std::max(families[0].size(), families[1].size()); ++i)
    for (const auto& family : families)
      if (i < family.size()) order.push_back(family[i]);
  std::ranges::rotate(order, order.begin() + static_cast<std::ptrdiff_t>(first % order.size()));
  return order;
}

BrokerDialer::BrokerDialer(boost::asio::io_context& context)
    : context_(context), resolver_(context), stagger_(context) {}

void BrokerDialer::dial(const std::string& host, std::uint16_t port, std::size_t first, Done done) {
  cancel();
  host_ = host;
  port_ = port;
  done_ = std::move(done);
  resolved_ = false;
  resolver_.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service,
      [this, first, run = run_](const boost::system::error_code& fault, const tcp::resolver::results_type& results) {
        if (run != run_) return;
        if (fault) return finish(failure(fmt::format("DNS lookup of {} failed: {}", host_, fault.message())));
        std::vector<tcp::endpoint> found;
        for (const auto& result : results) found.push_back(result.endpoint());
        begin_all(order_of_attempts(found, first));
      });
}

void BrokerDialer::dial_all(std::vector<tcp::endpoint> endpoints, Done done) {
  cancel();
  host_ = endpoints.front().address().to_string();
  port_ = endpoints.front().port();
  done_ = std::move(done);
  begin_all(std::move(endpoints));
}

void BrokerDialer::begin_all(std::vector<tcp::endpoint> endpoints) {
  resolved_ = true;
  endpoints_ = std::move(endpoints);
  if (endpoints_.size() > kAddressesMax) endpoints_.resize(kAddressesMax);
  attempts_.reserve(endpoints_.size());
  begin_next();
}

void BrokerDialer::begin_next() {
  if (attempts_.size() == endpoints_.size()) return;
  const std::size_t index = attempts_.size();
  attempts_.push_back({.endpoint = endpoints_[index], .socket = tcp::socket(context_)});
  attempts_[index].socket.async_connect(
      endpoints_[index],
      [this, index, run = run_](const boost::system::error_code& fault) { on_attempt(run, index, fault); });
  stagger_.expires_after(kStagger);
  stagger_.async_wait([this, run = run_](const boost::system::error_code& cancelled) {
    if (!cancelled && run == run_) begin_next();
  });
}

void BrokerDialer::on_attempt(std::uint64_t run, std::size_t index, const boost::system::error_code& fault) {
  if (run != run_) return;
  if (!fault) return finish(std::move(attempts_[index].socket));
  attempts_[index].fault = fault.message();
  const auto failed = [](const Attempt& attempt) { return attempt.fault.has_value(); };
  if (attempts_.size() < endpoints_.size()) return begin_next();
  if (!std::ranges::all_of(attempts_, failed)) return;
  finish(
      failure(attempts_.size() == 1
                  ? fmt::format("TCP connection to {} failed: {}", authority(host_, port_), *attempts_.front().fault)
                  : fmt::format("TCP connection to {} failed{}", authority(host_, port_), each_attempt("no answer"))));
}

void BrokerDialer::finish(Result<tcp::socket, std::string> result) {
  const Done done = std::exchange(done_, nullptr);
  cancel();
  done(std::move(result));
}

void BrokerDialer::cancel() {
  ++run_;
  resolver_.cancel();
  stagger_.cancel();
  attempts_.clear();
  endpoints_.clear();
}

std::string BrokerDialer::describe_timeout() const {
  if (!resolved_) return fmt::format("DNS lookup of {} timed out", host_);
  return fmt::format("TCP connection to {} timed out{}", authority(host_, port_),
                     attempts_.size() > 1 ? each_attempt("no answer") : std::string());
}

std::string BrokerDialer::each_attempt(std::string_view silent) const {
  std::string list;
  for (const Attempt& attempt : attempts_)
    list += fmt::format("{}{}: {}", list.empty() ? " (" : "; ", attempt.endpoint.address().to_string(),
                        attempt.fault ? std::string_view(*attempt.fault) : silent);
  return list + ")";
}

}  // namespace famemely::io
