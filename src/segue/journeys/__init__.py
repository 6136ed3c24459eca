"""Ways through a library: paths from one track to another, and playlists that flow."""
