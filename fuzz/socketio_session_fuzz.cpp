// A whole server, several clients and an application take the steps that the bytes say;
// src/protocol/socketio/model_*.hpp says which they are and what must hold after each. The same runs with chance for a
// guide: model_run_test.cpp.
//
// That it bites has been shown with servers broken on purpose. The fuzzer found these within a minute each, and the
// first three are found by the random runs of model_run_test.cpp, too:
//   - engineio: switch_transport leaves the queue behind, and an upgrade loses packets
//   - engineio: answer_poll keeps the poll that it has answered, and answers it again
//   - socketio: drop_sockets forgets a second namespace, whose application is never told
//   - socketio: on_connect lets a client join a namespace twice
// These the random runs found alone:
//   - engineio: push_ahead puts a ping into a frame that has begun
//   - engineio: a probe that goes away stays answered, and every poll comes back empty
//   - engineio: a queue that the last poll has emptied is not told of
// Neither found a heartbeat whose deadline any packet extends for ever.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "protocol/socketio/model_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace famemely::socketio;
  try {
    ModelRun::run({reinterpret_cast<const char*>(data), size});
  } catch (const ModelBroken& broken) {
    std::fprintf(stderr, "%s\n", broken.what());
    std::abort();
  }
  return 0;
}
