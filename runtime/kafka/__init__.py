"""Access to Kafka for every role: connection options, topics, consumers and offsets.

What may not live here: the encoding of records (see `twin.wire`).
"""
