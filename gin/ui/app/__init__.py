"""The app: paint a mask and complete the photograph, in a notebook or a web page."""
