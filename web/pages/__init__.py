"""One Bokeh page a file."""
