"""DeepFill's published settings as recipes of the trainer.

`network.variant` names the model; `losses` and `backbone` have no part in it, and there
is no warm-up. The schedule is not theirs: DeepGIN's 110 epochs, without decay.
"""

from gin.recipes import DataRecipe, NetworkRecipe, OptimiserRecipe, Recipe, Schedule

DEEPFILLV1 = Recipe(
    network=NetworkRecipe(variant="deepfillv1", base_channels=32, composite=True),
    data=DataRecipe(view="crop", side=256, photographs=16),
    optimiser=OptimiserRecipe(
        generator_rate=1e-4, discriminator_rate=1e-4, betas=(0.5, 0.9)
    ),
    schedule=Schedule(warm_up=0, flat=110, decay=0),
    backbone="random",
)
DEEPFILLV2 = Recipe(
    network=NetworkRecipe(variant="deepfillv2", base_channels=48, composite=True),
    data=DataRecipe(view="crop", side=256, photographs=16),
    optimiser=OptimiserRecipe(
        generator_rate=1e-4, discriminator_rate=1e-4, betas=(0.5, 0.999)
    ),
    schedule=Schedule(warm_up=0, flat=110, decay=0),
    backbone="random",
)
RECIPES = {"deepfillv1": DEEPFILLV1, "deepfillv2": DEEPFILLV2}
