"""What `import fastsgd` adds."""

import os
import subprocess
import sys
from statistics import median

CODE = """
import sklearn.linear_model
from time import perf_counter
start = perf_counter()
import fastsgd
print(1e3 * (perf_counter() - start))
"""


def track_import_ms():
    """Milliseconds over `import sklearn.linear_model`, each time in a new process."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return median(float(subprocess.check_output([sys.executable, "-P", "-c", CODE], env=env)) for _ in range(5))


track_import_ms.unit = "ms"
