"""Methods that move particles, one a file; all are stateless."""
