#include <memory>

#include "perception_nodes/msg/tracked_object_array.hpp"
#include "rclcpp/rclcpp.hpp"

using perception_nodes::msg::FrameInfo;
using perception_nodes::msg::TrackedObjectArray;

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  auto node = std::make_shared<rclcpp::Node>("planner");
  auto take = [node](TrackedObjectArray::ConstSharedPtr message) {
    if (message->info.mode >= FrameInfo::MODE_BLIND || !message->info.valid) {
      RCLCPP_WARN(node->get_logger(), "nothing is known: an empty list would not mean free");
      return;
    }
    for (const auto & o : message->objects) {
      if (o.state != o.STATE_CONFIRMED && o.state != o.STATE_COASTING) { continue; }
      RCLCPP_INFO(node->get_logger(), "%s: at %.1f %.1f m", o.label.c_str(), o.x, o.y);
    }
  };
  auto subscription = node->create_subscription<TrackedObjectArray>("/perception/objects", 1, take);
  rclcpp::spin(node);
  rclcpp::shutdown();
}
