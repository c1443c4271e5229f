"""The edge for TPSs of Dogtag, which speak the protocol of Dogtag's TKS and no other."""
