"""What every HTTP request and response shares: limits, problems, bodies, query parameters,
pages. No route and no subject of the city.
"""
