"""What every HTTP request and response shares: limits, API keys, access, problems, bodies, query parameters,
pages. No route and no subject of the city.
"""
