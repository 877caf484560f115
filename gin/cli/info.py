"""`gin info`: versions, device and weights."""

import typer

from gin.cli.options import Weights, examples

app = typer.Typer()


@app.command(epilog=examples("gin info", "gin info --weights run/weights.safetensors"))
def info(weights: Weights = None) -> None:
    """Print versions, device, weights and parameter counts."""
    from gin.cli.description import describe

    for line in describe(weights):
        typer.echo(line)
