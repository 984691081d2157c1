#include "api/security_headers.hpp"

namespace famemely::api {
namespace {

void add_unless_there(HttpFields& fields, const char* name, const char* value) {
  if (!fields.find(name)) fields.add(name, value);
}

}  // namespace

void add_security_headers(HttpResponse& response) {
  if (response.status == 101) return;
  add_unless_there(response.fields, "X-Content-Type-Options", "nosniff");
  if (!response.fields.value_or("Content-Type", "").starts_with("text/html")) return;
  add_unless_there(response.fields, "Content-Security-Policy",
                   "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  add_unless_there(response.fields, "X-Frame-Options", "DENY");
  add_unless_there(response.fields, "Referrer-Policy", "no-referrer");
}

}  // namespace famemely::api
