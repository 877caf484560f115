"""How far apart two computations of one value may lie, on any processor.

Another processor, number of threads or build of torch adds the same numbers in another
order. The float32 sum of n products of size s is then off by up to n eps s, 1e-4 for
1,000 of size 1, and more after every layer. Where equality is the claim the tests
compute in float64 (the fixture `in_float64`), where that sum is off by 2e-13, and
compare to torch's tolerance for float64, 1e-7. A file's float32 is compared to a
computation in float64, so that the file's own rounding is all that differs.
"""

from typing import Any

# Fabric's name of float64.
EXACT: Any = "64-true"
# Adam moves a weight by lr g / (|g| + 1e-8): where the gradient g is small, its error d
# moves it by lr d / 1e-8, and the next gradients follow. In float32, d is 1e-8 or more,
# which makes a whole step of lr out of rounding; in float64, 1e-16 makes 1e-11 of it.
AFTER_ADAM = 1e-9
