"""The theorems as objects: one file each, listed in `listed`."""
