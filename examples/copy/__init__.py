"""A copy through SBUF: nothing but memory traffic."""
