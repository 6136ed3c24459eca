"""A library seen as a whole: planes, groups and trees."""
