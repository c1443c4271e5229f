"""The edge for TPSs of Dogtag: its codecs, and every recorded exchange over a running daemon."""
