"""Files on a disk or in a bucket: what may be opened, what may be written, and how it is written whole."""
