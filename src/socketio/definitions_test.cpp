#include "socketio/definitions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace famemely::socketio {
namespace {

TEST(SocketIoDefinitions, AreFoundByNameBeforePredicates) {
  Definitions definitions;
  NamespaceDefinition& any =
      definitions.of([](std::string_view name, std::string_view) { return name.starts_with("/o"); });
  NamespaceDefinition& orders = definitions.of("/orders");
  EXPECT_EQ(definitions.find("/orders", ""), &orders);
  EXPECT_EQ(definitions.find("/other", ""), &any);
  EXPECT_EQ(definitions.find("/", ""), nullptr);
}

TEST(SocketIoDefinitions, TakeNamesWithoutTheirSlash) {
  Definitions definitions;
  EXPECT_EQ(&definitions.of("chat"), &definitions.of("/chat"));
  EXPECT_THAT(definitions.names(), testing::ElementsAre("/chat"));
}

TEST(SocketIoNext, CountsOnlyItsFirstCall) {
  int calls = 0;
  const Next next([&](const std::optional<std::string>&, const std::optional<Json>&) { ++calls; });
  const std::vector<Next> copies(2, next);
  copies[0]();
  copies[1].refuse("late");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace famemely::socketio
