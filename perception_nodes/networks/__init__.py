"""Networks as torch modules, for training and export; a node that runs ONNX never imports this."""
