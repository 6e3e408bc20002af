"""Files on a disk or in a bucket: stored, fetched, locked."""
