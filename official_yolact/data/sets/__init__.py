"""Known data sets: COCO 2017, SBD, and drawn shapes."""
