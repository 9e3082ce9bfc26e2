"""A stand-in for the road: streets, traffic, sensors and exact truth from one seed. ROS-free, the same to the bit.

`simulation.Simulation` is a drive, `iterator.training_frames` many of them for training.
"""
