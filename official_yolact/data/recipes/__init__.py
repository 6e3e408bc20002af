"""A task YAML for one's own photos, with anchors that fit them."""
