"""Things with a box and what they are made of: materials, meshes, and a catalogue of vehicles, people and obstacles."""
