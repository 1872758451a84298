"""Limits that clients share: memory, rates, and fair shares of addresses."""
