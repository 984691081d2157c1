#include "protocol/socketio/model_run.hpp"

#include <gtest/gtest.h>

#include <random>

namespace famemely::socketio {
namespace {

/// The fuzzer of fuzz/socketio_session_fuzz.cpp looks for the bytes that break the model; here chance chooses them.
TEST(SocketIoModel, HoldsForThousandsOfRandomRuns) {
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    std::mt19937 chance(seed);
    std::string bytes(200 + chance() % 600, '\0');
    for (char& byte : bytes) byte = static_cast<char>(chance());
    try {
      ModelRun::run(bytes);
    } catch (const ModelBroken& broken) {
      FAIL() << "seed " << seed << ": " << broken.what();
    }
  }
}

}  // namespace
}  // namespace famemely::socketio
