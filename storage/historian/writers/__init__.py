"""Write one kind of rows each, inside the transaction of the batch writer.

No Kafka, and no decoding of records.
"""
