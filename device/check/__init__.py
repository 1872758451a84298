"""Judge any publisher by what it sends, by the gateway's own rules."""
