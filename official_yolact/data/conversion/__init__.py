"""Annotated photos into TFRecord shards."""
