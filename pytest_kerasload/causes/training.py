"""Causes that lie with what compile() was given: they stop training on, not predicting."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_OPTIMIZERS = "Adadelta|Adagrad|Adam|Adamax|Ftrl|Nadam|RMSprop|SGD"


_cause = Entries("training-state", remedies=(do.COMPILE_FALSE, do.INFERENCE_ONLY))


CAUSES: tuple[Cause, ...] = (
    _cause(
        "compile-false-needed",
        "The model loads only with compile=False: what it was compiled with does not come back",
        formats=("h5", "keras", "savedmodel"),
        seen=("load",),
        explanation="The layers come back, and the optimizer, loss or metrics do not. The model predicts as it "
        "should; only training it on needs compile().",
    ),
    _cause(
        "h5-loss-alias",
        "Keras 3 does not read the short name of a loss (mse, mae, mape, msle, bce, kld) from HDF5",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with keras.losses.MeanSquaredError() or 'mean_squared_error' before saving",
        formats=("h5",),
        saved_by="any, where a short name was given to compile()",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="HDF5 holds the name as it was given, and Keras 3 resolves short names to a function that it "
        "does not take back. Files of the same release are affected too.",
        wording="Could not locate function 'mse'. Make sure custom classes are decorated with "
        "`@keras.saving.register_keras_serializable()`.",
        signatures=(
            r"Could not locate function '(?:mse|mae|mape|msle|MSE|MAE|MAPE|MSLE|bce|BCE|kld|KLD)'",
            r"Could not deserialize 'keras\.(?:metrics|losses)\.\w+' because it is not a KerasSaveable subclass",
        ),
        source="keras-team/keras#19330, PR #21429; reproduced on Keras 3.2 to 3.15 with files of the same release",
    ),
    _cause(
        "keras2-loss-reduction",
        "Keras 3 does not know the reduction `auto` of a Keras 2 loss",
        formats=("h5", "keras"),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="`auto` was the default of every loss object of Keras 2. Only training is concerned.",
        wording="Invalid value for argument `reduction`. Expected one of {'sum', 'none', None}. Received: "
        "reduction=auto",
        signatures=(r"Received: reduction=auto", r"Invalid Reduction Key:? auto", r"reduction.{0,40}\bauto\b"),
        source="tensorflow/tensorflow#70394; flatironinstitute/DeepFRI#58",
    ),
    _cause(
        "loss-as-metric",
        "A loss object was given to compile() as a metric, and does not come back as one",
        do.COMPILE_FALSE,
        "give the metric class of the same name to compile() before saving",
        formats=("h5", "keras", "savedmodel"),
        saved_by="Keras 2, tf_keras",
        loaded_by="any",
        seen=("load",),
        explanation="A loss object in metrics=[...] is saved with arguments that the metric it comes back as does"
        " not take.",
        wording="__init__() got an unexpected keyword argument 'reduction'",
        signatures=(r"__init__\(\) got an unexpected keyword argument 'reduction'",),
        source="keras-team/keras#17371; tensorflow/tensorflow#31853",
    ),
    _cause(
        "optimizer-config-rejected",
        "The optimizer of this release does not take the configuration it was saved with",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with keras.optimizers.legacy, where the release has it, before saving",
        formats=("h5", "keras", "savedmodel"),
        saved_by="Keras of another generation of optimizers: before 2.11, 2.11 to 2.15, or 3",
        loaded_by="any",
        seen=("version", "load"),
        explanation="Optimizers were rewritten for Keras 2.11 and for Keras 3, and each generation has other "
        "arguments (lr, decay, weight_decay, jit_compile). Only training is concerned.",
        wording="Argument(s) not recognized: {'lr': 0.001}",
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
        formats=("h5", "keras", "savedmodel"),
        seen=("version", "load"),
        explanation="The optimizer is newer than this release, or lives in keras.optimizers.legacy, which Keras 3"
        " does not have. Only training is concerned.",
        wording="Unable to reconstruct an instance of 'Ftrl' because the class is missing",
        signatures=(rf"Unable to reconstruct an instance of '(?:{_OPTIMIZERS})' because the class is missing",),
        source="measured on the releases",
    ),
    _cause(
        "legacy-optimizer-in-archive",
        "Keras 2.13 and older do not bring an optimizer of keras.optimizers.legacy back from .keras",
        do.COMPILE_FALSE,
        do.INFERENCE_ONLY,
        "compile with the optimizer of keras.optimizers before saving, or save as HDF5",
        formats=("keras",),
        saved_by="Keras 2.11 to 2.13",
        loaded_by="Keras 2.13 and older",
        seen=("version", "load"),
        explanation="The loader of .keras archives calls build(), which optimizers of keras.optimizers.legacy do "
        "not have there. Only training is concerned.",
        wording="'Adam' object has no attribute 'build'",
        signatures=(rf"'(?:{_OPTIMIZERS})' object has no attribute 'build'",),
        source="reproduced with files of Keras 2.13 on itself",
    ),
    _cause(
        "training-config-incomplete",
        "The training configuration lacks a part that Keras 3 asks for",
        formats=("h5",),
        saved_by="other tools, or very old Keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="Keras 3 asks for keys of the training configuration that some writers leave out. Only "
        "training is concerned.",
        wording="KeyError: 'loss_weights'",
        signatures=(
            r"KeyError: '(?:loss_weights|optimizer_config|loss|metrics)'",
            r"^'?(?:loss_weights|optimizer_config)'?$",
        ),
        source="keras/src/legacy/saving/saving_utils.py, compile_args_from_training_config",
    ),
    _cause(
        "legacy-optimizer-checkpoint",
        "The optimizer state was written by an optimizer of before Keras 2.11",
        formats=("weights",),
        saved_by="Keras 2.10 and older, or keras.optimizers.legacy",
        loaded_by="Keras 2.11 to 2.15, tf_keras",
        seen=("load",),
        explanation="Optimizers keep their state in other variables since Keras 2.11. Only training is concerned.",
        wording="You are trying to restore a checkpoint from a legacy Keras optimizer into a v2.11+ Optimizer",
        signatures=(r"restore a checkpoint from a legacy Keras optimizer into a v2\.11\+ Optimizer",),
        source="zsylvester/segmenteverygrain#5",
    ),
    _cause(
        "optimizer-state-not-restored",
        "The state of the optimizer does not come back: training would go on from a new one",
        "save it as .keras, or keep a checkpoint, where training has to go on",
        do.INFERENCE_ONLY,
        formats=("h5", "keras", "savedmodel"),
        seen=("load",),
        explanation="Momenta and counts do not fit or are not in the file. For a model that was compiled and "
        "never trained there is nothing to restore.",
        wording="Skipping variable loading for optimizer 'adam', because it has 10 variables whereas the "
        "saved optimizer has 2 variables.",
        signatures=(
            r"Error in loading the saved optimizer state",
            r"making it impossible to restore the saved optimizer state",
            r"Skipping variable loading for optimizer",
            r"starting with a freshly initialized optimizer",
        ),
        source="tensorflow/tensorflow#37968; keras-team/keras#19615",
    ),
    _cause(
        "optimizer-not-restored",
        "The optimizer does not come back, or comes back as another",
        formats=("h5", "keras", "savedmodel"),
        seen=("load", "roundtrip"),
        explanation="What compile() was given does not come back the same, and training would go on otherwise. "
        "Predictions are not concerned.",
    ),
    _cause(
        "loss-not-restored",
        "The loss does not come back, or comes back as another",
        formats=("h5", "keras", "savedmodel"),
        seen=("load", "roundtrip"),
        explanation="What compile() was given does not come back the same, and training would go on otherwise. "
        "Predictions are not concerned.",
    ),
    _cause(
        "metric-not-restored",
        "A metric does not come back, or comes back as another",
        formats=("h5", "keras", "savedmodel"),
        seen=("load", "roundtrip"),
        explanation="Metrics given as words ('accuracy') are resolved anew from the shape of the output, and may "
        "become another class. Predictions are not concerned.",
    ),
    _cause(
        "not-compiled",
        "The artifact holds no training configuration: the model comes back uncompiled",
        "compile it where it is trained on; inference needs nothing",
        formats=("h5", "keras", "savedmodel"),
        seen=("load",),
        explanation="The model was saved uncompiled, or with include_optimizer=False. It predicts as it should.",
        wording="No training configuration found in the save file, so the model was *not* compiled. Compile "
        "it manually.",
        signatures=(r"No training configuration found in (?:the )?save file",),
        source="keras-team/keras#8691",
    ),
    _cause(
        "loss-config-rejected",
        "The loss of this release does not take the configuration it was saved with",
        formats=("h5", "keras"),
        seen=("version", "load"),
        explanation="The class of the loss has other arguments here. Only training is concerned.",
        wording="Huber.__init__() got an unexpected keyword argument 'fn'",
    ),
    _cause(
        "metric-config-rejected",
        "The metric of this release does not take the configuration it was saved with",
        formats=("h5", "keras"),
        seen=("version", "load"),
        explanation="The class of the metric has other arguments here. Only training is concerned.",
        wording="AUC.__init__() got an unexpected keyword argument 'dtype_policy'",
    ),
    _cause(
        "training-config-not-read",
        "The loss, metric or optimizer configuration is written in a way that this release does not read",
        formats=("h5",),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="Keras 3 reads schedules, losses and metrics out of HDF5 in its own way only. Only training "
        "is concerned.",
        wording="string indices must be integers, not 'str'",
    ),
    _cause(
        "metrics-not-built",
        "The metrics come back empty, and are built when the model is trained or evaluated",
        "nothing, for inference",
        formats=("h5",),
        loaded_by="Keras 3",
        seen=("load",),
        explanation="Metrics of Keras 3 get their variables at the first batch. The loader says so as a warning, "
        "and nothing is lost.",
        wording="Compiled the loaded model, but the compiled metrics have yet to be built.",
        signatures=(r"the compiled metrics have yet to be built",),
        source="keras/src/legacy/saving/saving_utils.py",
    ),
)
