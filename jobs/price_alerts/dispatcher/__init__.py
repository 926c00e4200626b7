"""Delivers price alerts to webhooks: each alert once for each client, signed, in order for each SKU."""
