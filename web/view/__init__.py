"""Pure: rows to columns for plots, canonical units to what people read. No clock, no database, no Bokeh."""
