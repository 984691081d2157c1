#include "socketio/rooms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace famemely::socketio {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using List = std::vector<std::string>;

Rooms made() {
  Rooms rooms;
  for (Rooms::Member member = 1; member <= 3; ++member) rooms.join(member, "own" + std::to_string(member));
  rooms.join(1, "a");
  rooms.join(2, "a");
  rooms.join(2, "b");
  rooms.join(3, "b");
  return rooms;
}

TEST(SocketIoRooms, SelectTheMembersOfSeveralRoomsOnce) {
  EXPECT_THAT(made().select(List{"a", "b"}, {}), UnorderedElementsAre(1, 2, 3));
  EXPECT_THAT(made().select(List{"a", "a"}, {}), UnorderedElementsAre(1, 2));
}

TEST(SocketIoRooms, LeaveOutThoseOfOtherRooms) {
  EXPECT_THAT(made().select(List{"a"}, List{"own1"}), ElementsAre(2));
  EXPECT_THAT(made().select({}, List{"b"}), ElementsAre(1));
}

TEST(SocketIoRooms, WithoutNamesSelectEverybody) { EXPECT_THAT(made().select({}, {}), UnorderedElementsAre(1, 2, 3)); }

TEST(SocketIoRooms, UnknownNamesSelectNobody) { EXPECT_THAT(made().select(List{"none"}, {}), IsEmpty()); }

TEST(SocketIoRooms, VanishWithTheirLastMember) {
  Rooms rooms = made();
  EXPECT_EQ(rooms.room_count(), 5);
  rooms.leave(1, "a");
  rooms.leave_all(2);
  EXPECT_EQ(rooms.room_count(), 3);
  EXPECT_THAT(rooms.rooms_of(2), IsEmpty());
  rooms.leave(2, "a");
  rooms.leave_all(1);
  rooms.leave_all(3);
  EXPECT_EQ(rooms.room_count(), 0);
}

}  // namespace
}  // namespace famemely::socketio
