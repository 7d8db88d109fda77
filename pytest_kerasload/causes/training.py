"""Causes that lie with what compile() was given: they stop training on, not predicting."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause

_USUAL = (do.COMPILE_FALSE, do.INFERENCE_ONLY)
_OPTIMIZERS = "Adadelta|Adagrad|Adam|Adamax|Ftrl|Nadam|RMSprop|SGD"


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "training-state", title, remedies or _USUAL, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "compile-false-needed",
        "The model loads only with compile=False: what it was compiled with does not come back",
    ),
    _cause(
        "h5-loss-alias",
        "Keras 3 does not read the short name of a loss (mse, mae, mape, msle, bce, kld) from HDF5",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with keras.losses.MeanSquaredError() or 'mean_squared_error' before saving",
        signatures=(
            r"Could not locate function '(?:mse|mae|mape|msle|MSE|MAE|MAPE|MSLE|bce|BCE|kld|KLD)'",
            r"Could not deserialize 'keras\.(?:metrics|losses)\.\w+' because it is not a KerasSaveable subclass",
        ),
        source="keras-team/keras#19330, PR #21429; reproduced on Keras 3.2 to 3.15 with files of the same release",
    ),
    _cause(
        "keras2-loss-reduction",
        "Keras 3 does not know the reduction `auto` of a Keras 2 loss",
        signatures=(r"Received: reduction=auto", r"Invalid Reduction Key:? auto", r"reduction.{0,40}\bauto\b"),
        source="tensorflow/tensorflow#70394; flatironinstitute/DeepFRI#58",
    ),
    _cause(
        "loss-as-metric",
        "A loss object was given to compile() as a metric, and does not come back as one",
        do.COMPILE_FALSE,
        "give the metric class of the same name to compile() before saving",
        signatures=(r"__init__\(\) got an unexpected keyword argument 'reduction'",),
        source="keras-team/keras#17371; tensorflow/tensorflow#31853",
    ),
    _cause(
        "optimizer-config-rejected",
        "The optimizer of this release does not take the configuration it was saved with",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with keras.optimizers.legacy, where the release has it, before saving",
        signatures=(
            r"Argument\(s\) not recognized",
            r"is not a valid argument, kwargs should be empty",
            r"Unexpected keyword argument passed to optimizer",
            r"decay is deprecated in the new Keras optimizer",
            r"keyword argument '(?:jit_compile|is_legacy_optimizer|weight_decay|use_ema|ema_\w+|loss_scale_factor)'",
            r"keyword argument 'gradient_accumulation_steps'",
        ),
        source="Keras 2.11 has new optimizers; keras-team/tf-keras#243; reproduced",
    ),
    _cause(
        "optimizer-not-in-this-keras",
        "This release does not have the optimizer the model was compiled with",
        signatures=(rf"Unable to reconstruct an instance of '(?:{_OPTIMIZERS})' because the class is missing",),
        source="measured on the releases",
    ),
    _cause(
        "legacy-optimizer-in-archive",
        "Keras 2.13 and older do not bring an optimizer of keras.optimizers.legacy back from .keras",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with the optimizer of keras.optimizers before saving, or save as HDF5",
        signatures=(rf"'(?:{_OPTIMIZERS})' object has no attribute 'build'",),
        source="reproduced with files of Keras 2.13 on itself",
    ),
    _cause(
        "training-config-incomplete",
        "The training configuration lacks a part that Keras 3 asks for",
        signatures=(
            r"KeyError: '(?:loss_weights|optimizer_config|loss|metrics)'",
            r"^'?(?:loss_weights|optimizer_config)'?$",
        ),
        source="keras/src/legacy/saving/saving_utils.py, compile_args_from_training_config",
    ),
    _cause(
        "legacy-optimizer-checkpoint",
        "The optimizer state was written by an optimizer of before Keras 2.11",
        signatures=(r"restore a checkpoint from a legacy Keras optimizer into a v2\.11\+ Optimizer",),
        source="zsylvester/segmenteverygrain#5",
    ),
    _cause(
        "optimizer-state-not-restored",
        "The state of the optimizer does not come back: training would go on from a new one",
        "save it as .keras, or keep a checkpoint, where training has to go on",
        do.INFERENCE_ONLY,
        signatures=(
            r"Error in loading the saved optimizer state",
            r"making it impossible to restore the saved optimizer state",
            r"Skipping variable loading for optimizer",
            r"starting with a freshly initialized optimizer",
        ),
        source="tensorflow/tensorflow#37968; keras-team/keras#19615",
    ),
    _cause("optimizer-not-restored", "The optimizer does not come back, or comes back as another"),
    _cause("loss-not-restored", "The loss does not come back, or comes back as another"),
    _cause("metric-not-restored", "A metric does not come back, or comes back as another"),
    _cause(
        "not-compiled",
        "The artifact holds no training configuration: the model comes back uncompiled",
        "compile it where it is trained on; inference needs nothing",
        signatures=(r"No training configuration found in (?:the )?save file",),
        source="keras-team/keras#8691",
    ),
    _cause("loss-config-rejected", "The loss of this release does not take the configuration it was saved with"),
    _cause("metric-config-rejected", "The metric of this release does not take the configuration it was saved with"),
    _cause(
        "training-config-not-read",
        "The loss, metric or optimizer configuration is written in a way that this release does not read",
    ),
)
