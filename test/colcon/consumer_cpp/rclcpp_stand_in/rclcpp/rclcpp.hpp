// Stands in for rclcpp, which no wheel has, so that the example of the README is compiled against the real messages.
// Declares as much of its API as the example uses; where rclcpp is installed, it is used instead.
#pragma once
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

namespace rclcpp
{
struct QoS
{
  QoS(std::size_t) {}  // NOLINT: implicit in rclcpp too
};
struct Logger {};
template<typename Message>
struct Subscription
{
  using SharedPtr = std::shared_ptr<Subscription>;
  std::function<void(typename Message::ConstSharedPtr)> take;
};
struct Node
{
  explicit Node(const std::string &) {}
  Logger get_logger() const {return {};}
  template<typename Message, typename Callback>
  typename Subscription<Message>::SharedPtr create_subscription(const std::string &, const QoS &, Callback && take)
  {
    auto out = std::make_shared<Subscription<Message>>();
    out->take = take;
    return out;
  }
};
inline void init(int, char **) {}
inline void spin(std::shared_ptr<Node>) {}
inline bool shutdown() {return true;}
}  // namespace rclcpp

#define RCLCPP_INFO(logger, ...) ((void)(logger), std::printf(__VA_ARGS__))
#define RCLCPP_WARN(logger, ...) ((void)(logger), std::printf(__VA_ARGS__))
