"""Hostile and broken artifacts, made at random out of the zoo's, and what the gate has to answer to each of them.

Beside the tests: nothing of the plugin imports this, and no TensorFlow is needed but for ``fuzzing.workers``.
"""
