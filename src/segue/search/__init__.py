"""Search: from a query to ranked tracks with reasons."""
