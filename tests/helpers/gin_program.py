"""The `gin` program as a file, as an installation would write it."""

import sys

from gin.cli.app import main

sys.exit(main())
