"""How much of the process clients may use: size, rate, work in progress, connections, answers that wait for
their readers. What a request asks for is not read here.
"""
