"""From devices and publishers to the landing tables."""
