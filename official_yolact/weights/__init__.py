"""Published weights by name: which there are, and where their files are kept. No TensorFlow."""
