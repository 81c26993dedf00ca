"""One program a Python runtime, all of them around the same graphs, body, order check and clock."""
