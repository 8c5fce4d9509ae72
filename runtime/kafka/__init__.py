"""Access to Kafka for every role: connection options, topics, consumers and offsets; no record is decoded
here.
"""
