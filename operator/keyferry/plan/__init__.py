"""What must be asked for one ExternalSecret, and whether what is there differs from what was done. Pure."""
