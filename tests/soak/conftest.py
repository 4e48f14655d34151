"""Long runs: collected only with MAKALU_SOAK=1, for instance `MAKALU_SOAK=1 pytest tests/soak`."""

import os

collect_ignore_glob = [] if os.environ.get("MAKALU_SOAK") == "1" else ["test_*.py"]
