"""What nodes share of ROS: their base, conversions, quality of service, transforms, the graph of processes."""
