"""What the dashboards' tests share."""

import sys
from pathlib import Path

# Tests are imported by file, so a helper beside them is found only by its folder.
sys.path.append(str(Path(__file__).parent))

from headless import browser, window  # noqa: F401 — fixtures
