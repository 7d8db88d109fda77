"""The custom objects of the zoo's models, as a team called Acme would keep them in one module.

Importable under any Keras: it takes the one that ``tf.keras`` is. Objects are *registered* only where their docstring
says so; the others have to be handed over as custom objects.
"""

import tensorflow as tf

keras = tf.keras


def register(thing):
    """Register under the package ``acme`` where this Keras knows how to."""
    try:
        return keras.utils.register_keras_serializable(package="acme")(thing)
    except AttributeError:
        return thing


@register
class Gate(keras.layers.Layer):
    """Registered and complete: an elementwise learned gate."""

    def __init__(self, sharpness=1.0, **kwargs):
        super().__init__(**kwargs)
        self.sharpness = sharpness

    def build(self, input_shape):
        self.gate = self.add_weight(name="gate", shape=(int(input_shape[-1]),), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * tf.sigmoid(self.sharpness * self.gate)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config["sharpness"] = self.sharpness
        return config


class Scale(keras.layers.Layer):
    """Not registered, complete."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.offset = self.add_weight(name="offset", shape=(int(input_shape[-1]),), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.factor + self.offset

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config["factor"] = self.factor
        return config


@register
class Forgetful(keras.layers.Layer):
    """Registered; ``get_config`` forgets ``power``, which has a default: it comes back as something else, silently."""

    def __init__(self, power=1.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, inputs):
        return tf.sign(inputs) * tf.abs(inputs) ** self.power

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config()


@register
class Demanding(keras.layers.Layer):
    """Registered; ``get_config`` forgets ``levels``, which has no default: it cannot be built again."""

    def __init__(self, levels, **kwargs):
        super().__init__(**kwargs)
        self.levels = levels

    def call(self, inputs):
        return tf.round(inputs * self.levels) / self.levels

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config()


@register
class Closed(keras.layers.Layer):
    """Registered; takes no ``**kwargs``, so that ``name`` and ``trainable`` out of a config are refused."""

    def __init__(self, slope=0.5):
        super().__init__()
        self.slope = slope

    def call(self, inputs):
        return tf.maximum(inputs, self.slope * inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config["slope"] = self.slope
        return config


class UnitNormalization(keras.layers.Layer):
    """Not registered; a name that Keras 2.9 took for a layer of its own (there L2, here L1)."""

    def call(self, inputs):
        return inputs / (tf.reduce_sum(tf.abs(inputs), axis=-1, keepdims=True) + 1e-6)

    def compute_output_shape(self, input_shape):
        return input_shape


@register
class Leaky(keras.layers.Layer):
    """Registered; a cell for ``RNN``."""

    def __init__(self, units, leak=0.3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.leak = leak
        self.state_size = units
        self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(int(input_shape[-1]), self.units))
        super().build(input_shape)

    def call(self, inputs, states, training=None):
        state = states[0] * (1.0 - self.leak) + tf.tanh(tf.matmul(inputs, self.kernel))
        return state, [state]

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units, "leak": self.leak})
        return config


@register
class Block(keras.layers.Layer):
    """Registered: a layer of two layers made in ``__init__``, and no ``build`` of its own."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.wide = keras.layers.Dense(units, activation="tanh", name="wide")
        self.narrow = keras.layers.Dense(3, name="narrow")

    def call(self, inputs):
        return self.narrow(self.wide(inputs))

    def get_config(self):
        config = super().get_config()
        config["units"] = self.units
        return config


@register
class Late(keras.layers.Layer):
    """Registered: a layer that makes its layer in ``build``."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.inner = keras.layers.Dense(self.units, activation="tanh", name="inner")
        super().build(input_shape)

    def call(self, inputs):
        return self.inner(inputs)

    def get_config(self):
        config = super().get_config()
        config["units"] = self.units
        return config


@register
class Bundle(keras.layers.Layer):
    """Registered: a layer with sublayers in a list of lists, which Keras 2.13 to 3.14 do not put into ``.keras``."""

    def __init__(self, width=2, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.parts = [[keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)] for _ in range(width)]

    def build(self, input_shape):
        for first, last in self.parts:
            first.build(input_shape)
            last.build((None, 4))
        super().build(input_shape)

    def call(self, inputs):
        return sum(last(first(inputs)) for first, last in self.parts)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2)

    def get_config(self):
        config = super().get_config()
        config["width"] = self.width
        return config


class Wrap(keras.layers.Layer):
    """Not registered: takes a layer, and gives its config back without making a layer of it."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs) * 2.0

    def get_config(self):
        config = super().get_config()
        config["inner"] = keras.layers.serialize(self.inner)
        return config


@register
class Auto(keras.layers.Layer):
    """Registered: leaves ``get_config`` to Keras, which Keras 3 can and Keras 2 cannot do."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(int(input_shape[-1]), self.units))
        super().build(input_shape)

    def call(self, inputs):
        return tf.matmul(inputs, self.kernel)


def bent(x):
    """Not registered: an activation."""
    return tf.where(x > 0, x, 0.2 * x) + 0.1 * x


@register
def wavy(x):
    """Registered: an activation."""
    return x + 0.5 * tf.sin(x)


def lopsided(y_true, y_pred):
    """Not registered: a loss."""
    miss = tf.cast(y_true, y_pred.dtype) - y_pred
    return tf.reduce_mean(tf.where(miss > 0, 2.0 * miss, -miss), axis=-1)


@register
class Pinball(keras.losses.Loss):
    """Registered: a loss with a setting of its own."""

    def __init__(self, tau=0.5, name="pinball", **kwargs):
        super().__init__(name=name, **kwargs)
        self.tau = tau

    def call(self, y_true, y_pred):
        miss = tf.cast(y_true, y_pred.dtype) - y_pred
        return tf.reduce_mean(tf.maximum(self.tau * miss, (self.tau - 1.0) * miss), axis=-1)

    def get_config(self):
        config = super().get_config()
        config["tau"] = self.tau
        return config


def within(y_true, y_pred):
    """Not registered: a metric as a function."""
    return tf.reduce_mean(tf.cast(tf.abs(tf.cast(y_true, y_pred.dtype) - y_pred) < 0.5, tf.float32))


class Hits(keras.metrics.Metric):
    """Not registered: a metric as a class."""

    def __init__(self, threshold=0.5, name="hits", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        near = tf.abs(tf.cast(y_true, y_pred.dtype) - y_pred) < self.threshold
        return self.count.assign_add(tf.reduce_sum(tf.cast(near, tf.float32)))

    def result(self):
        return tf.convert_to_tensor(self.count)

    def get_config(self):
        config = super().get_config()
        config["threshold"] = self.threshold
        return config


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Not registered: a learning rate schedule."""

    def __init__(self, peak=0.01, steps=10):
        self.peak = peak
        self.steps = steps

    def __call__(self, step):
        return self.peak * tf.minimum(1.0, tf.cast(step + 1, tf.float32) / self.steps)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


@register
class Ridge(keras.regularizers.Regularizer):
    """Registered: a regularizer."""

    def __init__(self, strength=0.01):
        self.strength = strength

    def __call__(self, x):
        return self.strength * tf.reduce_sum(tf.square(x))

    def get_config(self):
        return {"strength": self.strength}


class Checker(keras.initializers.Initializer):
    """Not registered: an initializer."""

    def __init__(self, size=0.1):
        self.size = size

    def __call__(self, shape, dtype=None, **kwargs):
        return tf.ones(shape, dtype=dtype or "float32") * self.size

    def get_config(self):
        return {"size": self.size}


@register
class Ranker(keras.Model):
    """Registered: a model of two dense layers with a config of its own."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = keras.layers.Dense(units, activation="tanh", name="hidden")
        self.score = keras.layers.Dense(2, name="score")

    def call(self, inputs, training=None):
        return self.score(self.hidden(inputs))

    def get_config(self):
        return {"units": self.units, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@register
class Towers(keras.Model):
    """Registered: a model with sublayers in a list of lists; they are saved, since a model lists all its layers."""

    def __init__(self, towers=2, **kwargs):
        super().__init__(**kwargs)
        self.count = towers
        self.towers = [[keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)] for _ in range(towers)]

    def call(self, inputs, training=None):
        return sum(last(first(inputs)) for first, last in self.towers)

    def get_config(self):
        return {"towers": self.count, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@register
class TwoWay(keras.Model):
    """Registered: takes and answers dictionaries, and is no functional model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.left = keras.layers.Dense(3, name="left_dense")
        self.right = keras.layers.Dense(3, name="right_dense")

    def call(self, inputs, training=None):
        left, right = self.left(inputs["left"]), self.right(inputs["right"])
        return {"sum": left + right, "product": left * right}

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


class Plain(keras.Model):
    """Not registered, without a config: only its graph can be saved."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(4, activation="relu")
        self.out = keras.layers.Dense(2)

    def call(self, inputs, training=None):
        return self.out(self.hidden(inputs))


def custom_objects():
    """Every custom object of this module by its plain name."""
    names = ("Gate Scale Forgetful Demanding Closed UnitNormalization Leaky bent wavy lopsided Pinball within Hits "
             "Block Late Bundle Wrap Auto Warmup Ridge Checker Ranker Towers TwoWay Plain")
    return {name: globals()[name] for name in names.split()}
