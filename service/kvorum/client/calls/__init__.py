"""Every operation as a :class:`~kvorum.client.call.Call`: what to send, how to read the answer."""
