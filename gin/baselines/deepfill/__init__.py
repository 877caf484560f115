"""DeepFillv1 and DeepFillv2, which DeepGIN is compared with."""
