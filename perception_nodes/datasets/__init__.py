"""Inputs: datasets and bags, found by looking, read without ROS, converted to bags, played against a clock."""

from .bag import BagReader
from .bag_info import BagInfo, TopicInfo
from .bag_writer import BagWriter
from .discover import open_input
from .inputs import Input, SequenceInput
from .playback import Player, PlayerConfig, Timeline
from .rig_guess import Guess, guess_rig
from .rigs import find_rig, known_rig, mount, rig_mounts, rig_names, rig_path
from .typestore import decode, encode, message_class

__all__ = [
    "BagInfo",
    "BagReader",
    "BagWriter",
    "Guess",
    "Input",
    "Player",
    "PlayerConfig",
    "SequenceInput",
    "Timeline",
    "TopicInfo",
    "decode",
    "encode",
    "find_rig",
    "guess_rig",
    "known_rig",
    "message_class",
    "mount",
    "open_input",
    "rig_mounts",
    "rig_names",
    "rig_path",
]
