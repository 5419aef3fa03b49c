"""Tests of pdwrap, by the number of the promise that each proves."""
