"""Exploring a library: maps, clusters, paths, playlists."""
