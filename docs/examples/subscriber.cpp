#include <memory>

#include "perception_nodes/msg/tracked_object_array.hpp"
#include "rclcpp/rclcpp.hpp"

using perception_nodes::msg::FrameInfo;
using perception_nodes::msg::TrackedObjectArray;

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  auto node = std::make_shared<rclcpp::Node>("planner");
  auto subscription = node->create_subscription<TrackedObjectArray>(
    "/perception/objects", rclcpp::QoS(1), [node](TrackedObjectArray::ConstSharedPtr message) {
      const bool blind = message->info.mode >= FrameInfo::MODE_BLIND || !message->info.valid;
      if (blind) { RCLCPP_WARN(node->get_logger(), "nothing is known"); return; }
      for (const auto & o : message->objects) {
        if (o.state != o.STATE_CONFIRMED && o.state != o.STATE_COASTING) { continue; }
        RCLCPP_INFO(node->get_logger(), "%lu %s: %.1f %.1f m", o.id, o.label.c_str(), o.x, o.y);
      }
    });
  rclcpp::spin(node);
  rclcpp::shutdown();
}
