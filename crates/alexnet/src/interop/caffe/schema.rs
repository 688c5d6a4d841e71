//! The part of `caffe.proto` that networks in a chain need: names and numbers of fields. One table serves both formats, text
//! and binary, and both directions.

/// The fields of a message.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) label: Label,
    pub(super) kind: FieldKind,
}

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Optional,
    Repeated,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum FieldKind {
    Int,
    Float,
    Bool,
    Text,
    /// Names and numbers.
    Enum(&'static [(&'static str, i64)]),
    Message(&'static Schema),
    /// Many numbers in single precision: the values of a blob.
    Floats,
    /// The same in double precision.
    Doubles,
    /// A field that has no effect on the network or its training, such as a file name or how to compute.
    Unused,
}

impl Schema {
    pub(super) fn by_name(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const fn one(name: &'static str, number: u32, kind: FieldKind) -> Field {
    Field { name, number, label: Label::Optional, kind }
}

const fn many(name: &'static str, number: u32, kind: FieldKind) -> Field {
    Field { name, number, label: Label::Repeated, kind }
}

const fn unused(name: &'static str, number: u32) -> Field {
    Field { name, number, label: Label::Repeated, kind: Unused }
}

use FieldKind::{Bool, Doubles, Enum, Float, Floats, Int, Message, Text, Unused};

/// `NetParameter`: a network.
pub(super) static NET: Schema = Schema {
    fields: &[
        one("name", 1, Text),
        many("layers", 2, Message(&V1_LAYER)),
        many("input", 3, Text),
        many("input_dim", 4, Int),
        unused("force_backward", 5),
        unused("debug_info", 7),
        many("input_shape", 8, Message(&BLOB_SHAPE)),
        many("layer", 100, Message(&LAYER)),
    ],
};

/// `BlobProto`: an array.
pub(super) static BLOB: Schema = Schema {
    fields: &[
        one("num", 1, Int),
        one("channels", 2, Int),
        one("height", 3, Int),
        one("width", 4, Int),
        many("data", 5, Floats),
        unused("diff", 6),
        one("shape", 7, Message(&BLOB_SHAPE)),
        many("double_data", 8, Doubles),
        unused("double_diff", 9),
    ],
};

static BLOB_SHAPE: Schema = Schema { fields: &[many("dim", 1, Int)] };

/// `LayerParameter`: a layer.
pub(super) static LAYER: Schema = Schema {
    fields: &[
        one("name", 1, Text),
        one("type", 2, Text),
        many("bottom", 3, Text),
        many("top", 4, Text),
        unused("loss_weight", 5),
        many("param", 6, Message(&PARAM)),
        many("blobs", 7, Message(&BLOB)),
        many("include", 8, Message(&RULE)),
        many("exclude", 9, Message(&RULE)),
        one("phase", 10, Enum(PHASES)),
        unused("propagate_down", 11),
        one("transform_param", 100, Message(&TRANSFORM)),
        unused("loss_param", 101),
        unused("accuracy_param", 102),
        unused("argmax_param", 103),
        one("concat_param", 104, Message(&CONCAT)),
        one("convolution_param", 106, Message(&CONVOLUTION)),
        one("data_param", 107, Message(&DATA)),
        one("dropout_param", 108, Message(&DROPOUT)),
        unused("dummy_data_param", 109),
        one("hdf5_data_param", 112, Message(&HDF5_DATA)),
        unused("hdf5_output_param", 113),
        unused("hinge_loss_param", 114),
        one("image_data_param", 115, Message(&IMAGE_DATA)),
        unused("infogain_loss_param", 116),
        one("inner_product_param", 117, Message(&INNER_PRODUCT)),
        one("lrn_param", 118, Message(&LRN)),
        one("memory_data_param", 119, Message(&MEMORY_DATA)),
        one("pooling_param", 121, Message(&POOLING)),
        one("power_param", 122, Message(&POWER)),
        one("relu_param", 123, Message(&RELU)),
        unused("sigmoid_param", 124),
        unused("softmax_param", 125),
        one("slice_param", 126, Message(&SLICE)),
        unused("tanh_param", 127),
        one("flatten_param", 135, Message(&FLATTEN)),
        one("input_param", 143, Message(&INPUT)),
    ],
};

/// `V1LayerParameter`: a layer in the format before 2015.
static V1_LAYER: Schema = Schema {
    fields: &[
        // The format before 2014 has everything in here.
        one("layer", 1, Message(&V0_LAYER)),
        many("bottom", 2, Text),
        many("top", 3, Text),
        one("name", 4, Text),
        one("type", 5, Enum(V1_TYPES)),
        many("blobs", 6, Message(&BLOB)),
        many("blobs_lr", 7, Float),
        many("weight_decay", 8, Float),
        one("concat_param", 9, Message(&CONCAT)),
        one("convolution_param", 10, Message(&CONVOLUTION)),
        one("data_param", 11, Message(&DATA)),
        one("dropout_param", 12, Message(&DROPOUT)),
        one("hdf5_data_param", 13, Message(&HDF5_DATA)),
        unused("hdf5_output_param", 14),
        one("image_data_param", 15, Message(&IMAGE_DATA)),
        unused("infogain_loss_param", 16),
        one("inner_product_param", 17, Message(&INNER_PRODUCT)),
        one("lrn_param", 18, Message(&LRN)),
        one("pooling_param", 19, Message(&POOLING)),
        one("power_param", 21, Message(&POWER)),
        one("memory_data_param", 22, Message(&MEMORY_DATA)),
        unused("argmax_param", 23),
        unused("dummy_data_param", 26),
        unused("accuracy_param", 27),
        unused("hinge_loss_param", 29),
        one("relu_param", 30, Message(&RELU)),
        one("slice_param", 31, Message(&SLICE)),
        many("include", 32, Message(&RULE)),
        many("exclude", 33, Message(&RULE)),
        unused("loss_weight", 35),
        one("transform_param", 36, Message(&TRANSFORM)),
        unused("tanh_param", 37),
        unused("sigmoid_param", 38),
        unused("softmax_param", 39),
        unused("loss_param", 42),
        many("param", 1001, Text),
        unused("blob_share_mode", 1002),
    ],
};

static V0_LAYER: Schema = Schema { fields: &[one("name", 1, Text), one("type", 2, Text)] };

/// Types of layers in the format before 2015.
const V1_TYPES: &[(&str, i64)] = &[
    ("NONE", 0),
    ("ACCURACY", 1),
    ("BNLL", 2),
    ("CONCAT", 3),
    ("CONVOLUTION", 4),
    ("DATA", 5),
    ("DROPOUT", 6),
    ("EUCLIDEAN_LOSS", 7),
    ("FLATTEN", 8),
    ("HDF5_DATA", 9),
    ("HDF5_OUTPUT", 10),
    ("IM2COL", 11),
    ("IMAGE_DATA", 12),
    ("INFOGAIN_LOSS", 13),
    ("INNER_PRODUCT", 14),
    ("LRN", 15),
    ("MULTINOMIAL_LOGISTIC_LOSS", 16),
    ("POOLING", 17),
    ("RELU", 18),
    ("SIGMOID", 19),
    ("SOFTMAX", 20),
    ("SOFTMAX_LOSS", 21),
    ("SPLIT", 22),
    ("TANH", 23),
    ("WINDOW_DATA", 24),
    ("ELTWISE", 25),
    ("POWER", 26),
    ("SIGMOID_CROSS_ENTROPY_LOSS", 27),
    ("HINGE_LOSS", 28),
    ("MEMORY_DATA", 29),
    ("ARGMAX", 30),
    ("THRESHOLD", 31),
    ("DUMMY_DATA", 32),
    ("SLICE", 33),
    ("MVN", 34),
    ("ABSVAL", 35),
    ("SILENCE", 36),
    ("CONTRASTIVE_LOSS", 37),
    ("EXP", 38),
    ("DECONVOLUTION", 39),
];

const PHASES: &[(&str, i64)] = &[("TRAIN", 0), ("TEST", 1)];

/// `NetStateRule`: when a layer is part of the network.
static RULE: Schema = Schema {
    fields: &[
        one("phase", 1, Enum(PHASES)),
        one("min_level", 2, Int),
        one("max_level", 3, Int),
        many("stage", 4, Text),
        many("not_stage", 5, Text),
    ],
};

/// `ParamSpec`: the learning rate and the decay of a blob.
static PARAM: Schema = Schema {
    fields: &[
        one("name", 1, Text),
        unused("share_mode", 2),
        one("lr_mult", 3, Float),
        one("decay_mult", 4, Float),
    ],
};

static FILLER: Schema = Schema {
    fields: &[
        one("type", 1, Text),
        one("value", 2, Float),
        one("min", 3, Float),
        one("max", 4, Float),
        one("mean", 5, Float),
        one("std", 6, Float),
        one("sparse", 7, Int),
        one("variance_norm", 8, Enum(&[("FAN_IN", 0), ("FAN_OUT", 1), ("AVERAGE", 2)])),
    ],
};

static TRANSFORM: Schema = Schema {
    fields: &[
        one("scale", 1, Float),
        one("mirror", 2, Bool),
        one("crop_size", 3, Int),
        one("mean_file", 4, Text),
        many("mean_value", 5, Float),
        unused("force_color", 6),
        one("force_gray", 7, Bool),
    ],
};

static DATA: Schema = Schema {
    fields: &[
        unused("source", 1),
        one("scale", 2, Float),
        one("mean_file", 3, Text),
        one("batch_size", 4, Int),
        one("crop_size", 5, Int),
        one("mirror", 6, Bool),
        unused("rand_skip", 7),
        unused("backend", 8),
        unused("force_encoded_color", 9),
        unused("prefetch", 10),
    ],
};

static IMAGE_DATA: Schema = Schema {
    fields: &[
        unused("source", 1),
        one("scale", 2, Float),
        one("mean_file", 3, Text),
        one("batch_size", 4, Int),
        one("crop_size", 5, Int),
        one("mirror", 6, Bool),
        unused("rand_skip", 7),
        unused("shuffle", 8),
        one("new_height", 9, Int),
        one("new_width", 10, Int),
        one("is_color", 11, Bool),
        unused("root_folder", 12),
    ],
};

static MEMORY_DATA: Schema = Schema {
    fields: &[
        one("batch_size", 1, Int),
        one("channels", 2, Int),
        one("height", 3, Int),
        one("width", 4, Int),
    ],
};

static HDF5_DATA: Schema =
    Schema { fields: &[unused("source", 1), one("batch_size", 2, Int), unused("shuffle", 3)] };

static INPUT: Schema = Schema { fields: &[many("shape", 1, Message(&BLOB_SHAPE))] };

static CONVOLUTION: Schema = Schema {
    fields: &[
        one("num_output", 1, Int),
        one("bias_term", 2, Bool),
        many("pad", 3, Int),
        many("kernel_size", 4, Int),
        one("group", 5, Int),
        many("stride", 6, Int),
        one("weight_filler", 7, Message(&FILLER)),
        one("bias_filler", 8, Message(&FILLER)),
        one("pad_h", 9, Int),
        one("pad_w", 10, Int),
        one("kernel_h", 11, Int),
        one("kernel_w", 12, Int),
        one("stride_h", 13, Int),
        one("stride_w", 14, Int),
        unused("engine", 15),
        one("axis", 16, Int),
        unused("force_nd_im2col", 17),
        many("dilation", 18, Int),
    ],
};

static INNER_PRODUCT: Schema = Schema {
    fields: &[
        one("num_output", 1, Int),
        one("bias_term", 2, Bool),
        one("weight_filler", 3, Message(&FILLER)),
        one("bias_filler", 4, Message(&FILLER)),
        one("axis", 5, Int),
        one("transpose", 6, Bool),
    ],
};

static LRN: Schema = Schema {
    fields: &[
        one("local_size", 1, Int),
        one("alpha", 2, Float),
        one("beta", 3, Float),
        one("norm_region", 4, Enum(&[("ACROSS_CHANNELS", 0), ("WITHIN_CHANNEL", 1)])),
        one("k", 5, Float),
        unused("engine", 6),
    ],
};

static POOLING: Schema = Schema {
    fields: &[
        one("pool", 1, Enum(&[("MAX", 0), ("AVE", 1), ("STOCHASTIC", 2)])),
        one("kernel_size", 2, Int),
        one("stride", 3, Int),
        one("pad", 4, Int),
        one("kernel_h", 5, Int),
        one("kernel_w", 6, Int),
        one("stride_h", 7, Int),
        one("stride_w", 8, Int),
        one("pad_h", 9, Int),
        one("pad_w", 10, Int),
        unused("engine", 11),
        one("global_pooling", 12, Bool),
        one("round_mode", 13, Enum(&[("CEIL", 0), ("FLOOR", 1)])),
    ],
};

static DROPOUT: Schema = Schema { fields: &[one("dropout_ratio", 1, Float)] };
static POWER: Schema =
    Schema { fields: &[one("power", 1, Float), one("scale", 2, Float), one("shift", 3, Float)] };
static RELU: Schema = Schema { fields: &[one("negative_slope", 1, Float), unused("engine", 2)] };
static CONCAT: Schema = Schema { fields: &[one("concat_dim", 1, Int), one("axis", 2, Int)] };
static SLICE: Schema =
    Schema { fields: &[one("slice_dim", 1, Int), many("slice_point", 2, Int), one("axis", 3, Int)] };
static FLATTEN: Schema = Schema { fields: &[one("axis", 1, Int), one("end_axis", 2, Int)] };

/// `SolverParameter`: how to train.
pub(super) static SOLVER: Schema = Schema {
    fields: &[
        unused("train_net", 1),
        unused("test_net", 2),
        unused("test_iter", 3),
        unused("test_interval", 4),
        one("base_lr", 5, Float),
        unused("display", 6),
        one("max_iter", 7, Int),
        one("lr_policy", 8, Text),
        one("gamma", 9, Float),
        one("power", 10, Float),
        one("momentum", 11, Float),
        one("weight_decay", 12, Float),
        one("stepsize", 13, Int),
        unused("snapshot", 14),
        unused("snapshot_prefix", 15),
        unused("snapshot_diff", 16),
        unused("solver_mode", 17),
        unused("device_id", 18),
        unused("test_compute_loss", 19),
        unused("random_seed", 20),
        unused("debug_info", 23),
        unused("net", 24),
        unused("snapshot_after_train", 28),
        one("regularization_type", 29, Text),
        one(
            "solver_type",
            30,
            Enum(&[
                ("SGD", 0),
                ("NESTEROV", 1),
                ("ADAGRAD", 2),
                ("RMSPROP", 3),
                ("ADADELTA", 4),
                ("ADAM", 5),
            ]),
        ),
        unused("delta", 31),
        unused("test_initialization", 32),
        unused("average_loss", 33),
        many("stepvalue", 34, Int),
        one("clip_gradients", 35, Float),
        one("iter_size", 36, Int),
        unused("snapshot_format", 37),
        unused("rms_decay", 38),
        unused("momentum2", 39),
        one("type", 40, Text),
        unused("layer_wise_reduce", 41),
        unused("weights", 42),
    ],
};
