#pragma once

#include "base/http_message.hpp"

namespace famemely::api {

/// Adds what keeps a browser from taking an answer for something else than it is, or, of a page, from showing it inside
/// somebody else's. A page that sends a policy of its own keeps that.
void add_security_headers(HttpResponse& response);

}  // namespace famemely::api
