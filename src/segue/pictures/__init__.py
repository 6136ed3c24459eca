"""Still pictures: what was learned, maps and trees."""
