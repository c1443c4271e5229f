"""The Token Key Service's rules, without HTTP and without PKCS#11."""
