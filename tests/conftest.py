"""What has to be imported before any test."""

# After jsonargparse, which copies PyYAML's representers, jupytext's would come too late
# for it to write a chapter's header.
import jupytext  # noqa: F401

# Before onnxruntime, whose telemetry it switches off.
import gin  # noqa: F401
