"""The mask painter and the app."""
