"""Compresses small models of many libraries and checks what is promised of each."""
