"""How far apart two computations of one value may lie, on any processor.

Another processor, number of threads or build of torch adds the same numbers in another
order. A sum of n products of size s in float32 is then off by up to n eps s: 1e-4 for
1,000 products of size 1, and more after every layer. Where equality is the claim the
tests therefore compute in float64, where the same sum is off by 2e-13, and compare to
torch's tolerance for float64, 1e-7. What is float32 by nature, such as a file, is
compared to an exact computation, so that its own rounding alone is measured.
"""

from typing import Any

# Fabric's name of float64.
EXACT: Any = "64-true"
# Adam moves a weight by lr g / (|g| + 1e-8): where a gradient g is small, its rounding
# error d becomes lr d / 1e-8, 1e-11 for lr = 1e-3 and d = 1e-16, and the next step's
# gradients follow. In float32 d is 1e-8 to 1e-7, and nothing is left to compare.
AFTER_ADAM = 1e-7
