"""What a gateway says and takes, for machines: AsyncAPI 3 and OpenAPI 3.1, and a page of both.

``payloads`` has the JSON Schemas, out of the limits and lists the code itself checks by;
``events`` and ``addresses`` put them into the two documents, ``page`` makes them readable.
``python -m gateway.schema`` prints the documents. All pure but ``routes``, which serves them.
"""
