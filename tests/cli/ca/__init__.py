"""`tmsctl ca`: what people at the appliance do with CAs and certificates."""
