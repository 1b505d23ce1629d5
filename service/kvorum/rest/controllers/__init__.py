"""Litestar's view of the routes: parameters in, answers of the functions next door out."""
