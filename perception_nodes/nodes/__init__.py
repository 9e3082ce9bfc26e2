"""Thin rclpy nodes over the ROS-free stages, one file each."""
