//! Networks, layers and arrays.

use super::field::FieldKind::{Doubles, Enum, Float, Floats, Int, Message, Text};
use super::field::{Schema, many, one, unused};
use super::settings::{
    BLOB_SHAPE, CONCAT, CONVOLUTION, DATA, DROPOUT, FLATTEN, HDF5_DATA, IMAGE_DATA, INNER_PRODUCT, INPUT,
    LRN, MEMORY_DATA, POOLING, POWER, RELU, SLICE, TRANSFORM,
};

/// `NetParameter`: a network.
pub(in crate::interop::caffe) static NET: Schema = Schema {
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
pub(in crate::interop::caffe) static BLOB: Schema = Schema {
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

/// `LayerParameter`: a layer.
static LAYER: Schema = Schema {
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
