"""TFRecord files: their framing, their manifest, and the masks in a record."""
