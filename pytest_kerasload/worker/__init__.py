"""What runs in an environment's own process: the only part that touches TensorFlow.

Plain Python 3.8 that imports nothing of the rest of the package: the pytest process reads the sources of this
package and sends them over the channel (``environments/process.py``), so that the environment needs TensorFlow and
nothing else. ``pytest_kerasload.record`` uses the same modules inside a training script.
"""
