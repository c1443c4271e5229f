"""`tmsd ocsp`, asked over real sockets."""
