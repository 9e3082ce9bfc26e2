"""Inputs: datasets and bags, found by looking, read without ROS, converted to bags."""
