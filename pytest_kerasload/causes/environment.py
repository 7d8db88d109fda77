"""Causes that lie with the environment: TensorFlow missing, broken, or unable to run the model."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "environment", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "numpy2-abi",
        "A package there was built for NumPy 1 and meets NumPy 2",
        "install numpy<2 there (TensorFlow before 2.18 needs it)",
        signatures=(r"A module that was compiled using NumPy 1", r"numpy\.dtype size changed", r"_ARRAY_API not found"),
        source="TensorFlow 2.18 is the first built for NumPy 2",
    ),
    _cause(
        "numpy-name-removed",
        "A package there uses a name that this NumPy no longer has",
        "install an older NumPy there: numpy<1.24 for TensorFlow before 2.12, numpy<2 before 2.18",
        signatures=(r"module 'numpy' has no attribute", r"`np\.\w+` was removed in the NumPy 2\.0 release"),
    ),
    _cause(
        "protobuf-too-new",
        "The protobuf there is newer than this TensorFlow can use",
        "install protobuf<=3.20.3 there",
        signatures=(
            r"Descriptors cannot (?:not )?be created directly",
            r"cannot import name 'builder' from 'google\.protobuf",
        ),
        source="tensorflow/tensorflow#56266",
    ),
    _cause(
        "legacy-keras-missing",
        "TF_USE_LEGACY_KERAS is set there, and tf_keras is not installed",
        "install the tf_keras of the same minor version as TensorFlow there",
        signatures=(
            r"TF_USE_LEGACY_KERAS set to True, but you do not have the tf_keras package",
            r"No module named 'tf_keras'",
        ),
        source="huggingface/transformers PR #40391",
    ),
    _cause(
        "h5py-too-new",
        "The h5py there is newer than this TensorFlow can use",
        "install h5py<3 there",
        signatures=(r"'str' object has no attribute 'decode'",),
        source="tensorflow/tensorflow#44467: TensorFlow 2.3 and older",
    ),
    _cause(
        "h5py-missing",
        "HDF5 cannot be read there: h5py is not installed",
        "install h5py there",
        signatures=(r"requires h5py", r"No module named 'h5py'", r"Could not import h5py"),
    ),
    _cause(
        "tensorflow-missing",
        "There is no TensorFlow in the environment",
        "install tensorflow (or tensorflow-cpu) there, or give another --keras-env",
        signatures=(r"No module named 'tensorflow'", r"TensorFlow is not installed"),
    ),
    _cause(
        "tensorflow-broken",
        "TensorFlow is installed there, and cannot be imported",
        "run `python -c 'import tensorflow'` there, and mend what it complains of",
        signatures=(
            r"Failed to load the native TensorFlow runtime",
            r"DLL load failed",
            r"cannot import name '\w+' from 'tensorflow",
            r"partially initialized module 'tensorflow'",
            r"illegal instruction",
            r"undefined symbol",
            r"GLIBC(?:XX)?_\S+' not found",
        ),
    ),
    _cause(
        "keras-missing",
        "There is no Keras in the environment",
        "install the keras that its TensorFlow asks for",
        signatures=(r"Keras cannot be imported\. Check that it is installed", r"No module named 'keras'"),
    ),
    _cause(
        "interpreter-broken",
        "The interpreter of the environment does not run",
        "check the path given to --keras-env, and run that interpreter by hand",
    ),
    _cause(
        "environment-not-made",
        "The environment asked for could not be made",
        "read what uv said, and check that such releases exist for that Python",
    ),
    _cause(
        "private-keras-fork",
        "Code uses tensorflow.python.keras, an old copy of Keras, with layers of another Keras",
        "import from keras or tf.keras instead of tensorflow.python.keras",
        signatures=(r"tensorflow\.python\.keras.*KerasVariable", r"KerasVariable.*tensorflow\.python\.keras"),
        source="matterport/Mask_RCNN#3021",
    ),
    _cause(
        "cudnn-needs-gpu",
        "The model has layers that run only on a GPU (CuDNNLSTM, CuDNNGRU)",
        "check it on a machine with a GPU",
        "convert them to LSTM and GRU with TensorFlow 2.15 or older",
        signatures=(
            r"No OpKernel was registered to support Op 'CudnnRNN",
            r"Could not find device for node.*[Cc]udnn",
            r"[Cc]udnn(?:RNN|LSTM|GRU)\w* .*(?:GPU|CUDA)",
        ),
        source="tensorflow/tensorflow#26600, #20468",
    ),
    _cause(
        "channels-first-needs-gpu",
        "The model keeps images channels first, which TensorFlow does not compute on a CPU",
        "check it on a machine with a GPU, or save it with data_format='channels_last'",
        signatures=(
            r"only supports (?:the )?NHWC tensor format",
            r"only supports NHWC",
            r"Default MaxPoolingOp only supports NHWC",
            r"NCHW.{0,60}CPU",
        ),
        source="keras-team/keras#20414, PR #17034",
    ),
    _cause(
        "keras-backend-unsuitable",
        "Keras 3 is set to a backend other than TensorFlow there",
        "set KERAS_BACKEND=tensorflow there",
        signatures=(
            r"No module named '(?:jax|torch)'",
            r"is only (?:available|supported) (?:with|on|for) the (?:JAX|torch|PyTorch) backend",
        ),
    ),
)
