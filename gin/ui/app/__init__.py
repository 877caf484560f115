"""The app: paint a hole in a photograph and see it filled, in a notebook or a page."""
