"""What an evaluation says about a model: the analysis behind the report. No TensorFlow."""
