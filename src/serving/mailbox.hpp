#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <functional>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace famemely::serving {

/// What crosses threads: a bounded queue of items with one reader, a loop. The reader is woken once for whatever has
/// gathered until it reads, not once an item. When the queue is full nothing is taken and nothing is lost: the writer
/// keeps its items and hears when there is room again.
template <typename Item>
class Mailbox {
 public:
  using Receive = std::function<void(std::vector<Item>&)>;

  /// `weight_max` bounds the sum of `weight(item)`, which is about the bytes that an item holds. `receive` runs on the
  /// reader's loop and may leave the vector in any state.
  Mailbox(boost::asio::io_context& reader, std::size_t weight_max, Receive receive)
      : reader_(reader), weight_max_(weight_max), receive_(std::move(receive)) {}

  /// Moves all items in, or none: false if they don't fit now; `on_room` is then posted to the writer's loop as soon as
  /// the reader has emptied the queue. An empty queue takes anything. Callable from any thread.
  bool push(std::vector<Item>& items, boost::asio::io_context& writer, const std::function<void()>& on_room) {
    std::size_t added = 0;
    for (const Item& item : items) added += weight(item);
    const std::lock_guard lock(mutex_);
    if (weight_ > 0 && weight_ + added > weight_max_) {
      waiting_.emplace_back(&writer, on_room);
      return false;
    }
    const bool asleep = items_.empty();
    weight_ += added;
    if (asleep) {
      items_.swap(items);
    } else {
      items_.insert(items_.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
      items.clear();
    }
    if (asleep) boost::asio::post(reader_, [this] { drain(); });
    return true;
  }

 private:
  void drain() {
    std::vector<std::pair<boost::asio::io_context*, std::function<void()>>> waiting;
    {
      const std::lock_guard lock(mutex_);
      taken_.swap(items_);
      weight_ = 0;
      waiting.swap(waiting_);
    }
    for (auto& [writer, on_room] : waiting) boost::asio::post(*writer, std::move(on_room));
    receive_(taken_);
    taken_.clear();
  }

  boost::asio::io_context& reader_;
  const std::size_t weight_max_;
  const Receive receive_;
  std::mutex mutex_;
  std::vector<Item> items_;
  std::size_t weight_ = 0;
  std::vector<std::pair<boost::asio::io_context*, std::function<void()>>> waiting_;
  std::vector<Item> taken_;  // the reader's
};

}  // namespace famemely::serving
