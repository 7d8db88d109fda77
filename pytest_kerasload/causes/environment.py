"""Causes that lie with the environment: TensorFlow missing, broken, or unable to run the model."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("environment", seen=("load",))


CAUSES: tuple[Cause, ...] = (
    _cause(
        "numpy2-abi",
        "A package there was built for NumPy 1 and meets NumPy 2",
        "install numpy<2 there (TensorFlow before 2.18 needs it)",
        loaded_by="TensorFlow before 2.18 with NumPy 2",
        explanation="Compiled packages are bound to the NumPy they were built with. The artifact is not at fault.",
        wording="A module that was compiled using NumPy 1.x cannot be run in NumPy 2.0.0",
        signatures=(r"A module that was compiled using NumPy 1", r"numpy\.dtype size changed", r"_ARRAY_API not found"),
        source="TensorFlow 2.18 is the first built for NumPy 2",
    ),
    _cause(
        "numpy-name-removed",
        "A package there uses a name that this NumPy no longer has",
        "install an older NumPy there: numpy<1.24 for TensorFlow before 2.12, numpy<2 before 2.18",
        loaded_by="TensorFlow before 2.12 with NumPy 1.24 or later",
        explanation="NumPy dropped names (np.object, np.bool, np.float) that older packages use. The artifact is "
        "not at fault.",
        wording="module 'numpy' has no attribute 'object'",
        signatures=(r"module 'numpy' has no attribute", r"`np\.\w+` was removed in the NumPy 2\.0 release"),
    ),
    _cause(
        "protobuf-too-new",
        "The protobuf there is newer than this TensorFlow can use",
        "install protobuf<=3.20.3 there",
        loaded_by="TensorFlow 2.11 and older with protobuf 4 or later",
        explanation="Code that an older protobuf generated does not run with a newer one. The artifact is not at "
        "fault.",
        wording="Descriptors cannot be created directly.",
        signatures=(
            r"Descriptors cannot (?:not )?be created directly",
            r"cannot import name 'builder' from 'google\.protobuf",
        ),
        source="tensorflow/tensorflow#56266",
    ),
    _cause(
        "confinement-refused",
        "What the process that loads models may not do was asked of it",
        "--keras-allow-network, where custom objects have to reach the network",
        "let custom objects write below tempfile.gettempdir(), which is the process' own",
        "--keras-pass-env=NAME, where custom objects read a variable",
        explanation="Models are loaded in a process that writes to a temporary directory of its own only, has no "
        "network, and sees only the variables that TensorFlow needs. Custom objects that want more are refused it.",
        wording="PermissionError: [Errno 13] Permission denied: '/srv/app/cache.json'",
        signatures=(
            r"\[Errno 13\] Permission denied",
            r"Read-only file system",
            r"sockets are refused while a model is loaded",
        ),
    ),
    _cause(
        "legacy-keras-missing",
        "TF_USE_LEGACY_KERAS is set there, and tf_keras is not installed",
        "install the tf_keras of the same minor version as TensorFlow there",
        loaded_by="TensorFlow 2.15 and later",
        explanation="TF_USE_LEGACY_KERAS asks for tf_keras, which does not come with TensorFlow 2.16 and later.",
        wording="Your environment has TF_USE_LEGACY_KERAS set to True, but you do not have the tf_keras "
        "package installed.",
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
        formats=("h5",),
        loaded_by="TensorFlow 2.3 and older with h5py 3 or later",
        explanation="h5py 3 gives text where these releases expect bytes. The artifact is not at fault.",
        wording="'str' object has no attribute 'decode'",
        signatures=(r"'str' object has no attribute 'decode'",),
        source="tensorflow/tensorflow#44467: TensorFlow 2.3 and older",
    ),
    _cause(
        "h5py-missing",
        "HDF5 cannot be read there: h5py is not installed",
        "install h5py there",
        formats=("h5", "keras"),
        loaded_by="any",
        explanation="Without h5py Keras opens no HDF5; Keras 2 then takes the file for a SavedModel and says that"
        " there is none.",
        wording="`save_model()` using h5 format requires h5py. Could not import h5py.",
        signatures=(r"requires h5py", r"No module named 'h5py'", r"Could not import h5py"),
    ),
    _cause(
        "tensorflow-missing",
        "There is no TensorFlow in the environment",
        "install tensorflow (or tensorflow-cpu) there, or give another --keras-env",
        explanation="The interpreter runs and has no TensorFlow, so that nothing can be loaded in it.",
        wording="No module named 'tensorflow'",
        signatures=(r"No module named 'tensorflow'", r"TensorFlow is not installed"),
    ),
    _cause(
        "tensorflow-broken",
        "TensorFlow is installed there, and cannot be imported",
        "run `python -c 'import tensorflow'` there, and mend what it complains of",
        explanation="Importing TensorFlow fails: a library is missing, the processor lacks instructions, or "
        "packages do not fit together.",
        wording="Failed to load the native TensorFlow runtime.",
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
        loaded_by="TensorFlow 2.6 and later",
        explanation="Since TensorFlow 2.6 Keras is a package of its own, and it is not installed there.",
        wording="Keras cannot be imported. Check that it is installed.",
        signatures=(r"Keras cannot be imported\. Check that it is installed", r"No module named 'keras'"),
    ),
    _cause(
        "interpreter-broken",
        "The interpreter of the environment does not run",
        "check the path given to --keras-env, and run that interpreter by hand",
        explanation="The path given leads to no interpreter, or to one that fails to start.",
    ),
    _cause(
        "environment-not-made",
        "The environment asked for could not be made",
        "read what uv said, and check that such releases exist for that Python",
        explanation="uv could not find or install the releases that were asked for.",
    ),
    _cause(
        "private-keras-fork",
        "Code uses tensorflow.python.keras, an old copy of Keras, with layers of another Keras",
        "import from keras or tf.keras instead of tensorflow.python.keras",
        saved_by="Keras 3",
        loaded_by="code that imports tensorflow.python.keras",
        explanation="tensorflow.python.keras is an old private copy of Keras that knows nothing of the variables "
        "of Keras 3. The code that loads is at fault, not the artifact.",
        wording="tensorflow/python/keras: Save or restore weights that is not an instance of `tf.Variable` is not "
        "supported in h5 (tensorflow.python.keras). Got KerasVariable",
        signatures=(r"tensorflow\.python\.keras.*KerasVariable", r"KerasVariable.*tensorflow\.python\.keras"),
        source="matterport/Mask_RCNN#3021",
    ),
    _cause(
        "cudnn-needs-gpu",
        "The model has layers that run only on a GPU (CuDNNLSTM, CuDNNGRU)",
        "check it on a machine with a GPU",
        "convert them to LSTM and GRU with TensorFlow 2.15 or older",
        formats=("h5", "savedmodel"),
        saved_by="TensorFlow 1 and 2 on a GPU",
        loaded_by="any without a GPU",
        seen=("load", "predictions"),
        explanation="CuDNNLSTM and CuDNNGRU have no implementation for a CPU, unlike LSTM and GRU.",
        wording="No OpKernel was registered to support Op 'CudnnRNN'",
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
        loaded_by="any without a GPU",
        seen=("load", "predictions"),
        explanation="The model loads and fails when it is called: the kernels of TensorFlow for a CPU want "
        "channels last.",
        wording="The Conv2D op currently only supports the NHWC tensor format on the CPU",
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
        loaded_by="Keras 3",
        explanation="KERAS_BACKEND or ~/.keras/keras.json asks for JAX or PyTorch, which this gate does not run.",
        wording="No module named 'jax'",
        signatures=(
            r"No module named '(?:jax|torch)'",
            r"is only (?:available|supported) (?:with|on|for) the (?:JAX|torch|PyTorch) backend",
        ),
    ),
)
