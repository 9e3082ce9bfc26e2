"""The perception graph for `ros2 launch`, out of config/graph.yaml: the same nodes that `perception run` starts."""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from perception_nodes.ros import transport
from perception_nodes.ros.graph import load_graph, node_specs


def generate_launch_description() -> LaunchDescription:
    """Declare the graph's arguments; start its nodes."""
    graph = load_graph()
    transport.configure()

    def kept(value):
        # launch_ros reads a text as YAML unless it is told that it is a text.
        return ParameterValue(value, value_type=str) if isinstance(value, str) else value

    def start(context):
        values = {name: LaunchConfiguration(name).perform(context) for name in graph.arguments}
        return [
            Node(
                package="perception_nodes",
                executable=spec.executable,
                name=spec.name,
                parameters=[*spec.parameter_files, {k: kept(v) for k, v in spec.parameters.items()}],
                output="screen",
            )
            for spec in node_specs(graph, values)
        ]

    arguments = [
        DeclareLaunchArgument(name, default_value=argument.default, description=argument.description)
        for name, argument in graph.arguments.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
