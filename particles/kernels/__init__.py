"""Array-in, array-out hot loops; nothing here knows a class of the project."""
