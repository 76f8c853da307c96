"""What an import loads, seen in a process of its own."""

import subprocess
import sys


def modules_after(imports):
    """Names of all modules that are loaded after `import <imports>`."""
    program = f"import sys, {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
