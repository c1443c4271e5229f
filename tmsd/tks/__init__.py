"""The Token Key Service: its rules, without HTTP and without PKCS#11."""
