"""Certificates, from the request to what relying parties make of them."""
