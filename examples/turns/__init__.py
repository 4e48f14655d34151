"""Programs as long as wanted."""
