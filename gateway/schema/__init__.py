"""Machine-readable descriptions of the gateway: an AsyncAPI 3 and an OpenAPI 3.1 document.

``payloads`` has the JSON Schemas, made from the limits and lists that the code checks. ``asyncapi``
and ``openapi`` build the two documents from them; ``page`` prepares both for an HTML page.
``python -m gateway.schema`` prints the documents. Everything is pure except ``routes``, which
serves them.
"""
