"""The OpenAPI 3.1 document, from the same structs that encode the answers.

Written here rather than derived by the framework: it must name every status, header
and problem of routes that the framework never sees, and must not change with the
framework's version.
"""
