"""What loading an artifact could do to the machine that loads it, seen without loading it.

Every module looks at one kind of container and yields :class:`~pytest_kerasload.hazards.hazard.Hazard`. None of them
unmarshals, unpickles, imports what an artifact names, or needs TensorFlow.
"""
