"""COCO's files: annotations, segmentations and results, read by one rule. No TensorFlow."""
