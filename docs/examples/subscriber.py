import rclpy
from rclpy.node import Node

from perception_nodes.client import Mode, PerceptionSubscriber


class Planner(Node):
    def __init__(self) -> None:
        super().__init__("planner")
        self.perception = PerceptionSubscriber(self, self.plan)

    def plan(self, message, status):
        if status.mode >= Mode.BLIND or not status.valid:
            self.get_logger().warning("nothing is known: an empty list would not mean free")
            return
        self.get_logger().info(
            f"{len(message.objects)} objects in {message.header.frame_id}, {status.lost} lost"
        )
        for o in self.perception.objects:  # confirmed and coasting
            self.get_logger().info(f"{o.id} {o.label}: at {o.x:.1f} {o.y:.1f} m, {o.vx:.1f} {o.vy:.1f} m/s")


rclpy.init()
rclpy.spin(Planner())
