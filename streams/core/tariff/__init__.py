"""Tariffs and bills: prices by day and hour, and what a month costs, line by line. Exact: integers, fractions, decimals."""
