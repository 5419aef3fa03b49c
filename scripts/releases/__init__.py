"""What is done before a release: real kernels, other Pythons, packages, the folder of what is published."""
