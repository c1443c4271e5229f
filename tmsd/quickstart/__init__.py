"""The embedded default: a site for development in one directory, from nothing."""
