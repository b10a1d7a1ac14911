"""Planting bugs in a copy of the checkout, one at a time: does anything notice?"""
