"""A model as files for other programs: SavedModel, LiteRT, ONNX, each compared with the model itself."""
