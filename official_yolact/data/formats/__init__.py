"""Other tools' annotations into COCO JSON; each module reads one format."""
