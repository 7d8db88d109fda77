"""Makes pytest's own tester of plugins available to the tests."""

pytest_plugins = ["pytester"]
