//! The settings of each type of layers, and of initial weights.

use super::field::FieldKind::{Bool, Enum, Float, Int, Message, Text};
use super::field::{Schema, many, one, unused};

/// `BlobShape`: the dimensions of an array.
pub(super) static BLOB_SHAPE: Schema = Schema { fields: &[many("dim", 1, Int)] };

pub(super) static FILLER: Schema = Schema {
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

pub(super) static TRANSFORM: Schema = Schema {
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

pub(super) static DATA: Schema = Schema {
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

pub(super) static IMAGE_DATA: Schema = Schema {
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

pub(super) static MEMORY_DATA: Schema = Schema {
    fields: &[
        one("batch_size", 1, Int),
        one("channels", 2, Int),
        one("height", 3, Int),
        one("width", 4, Int),
    ],
};

pub(super) static HDF5_DATA: Schema =
    Schema { fields: &[unused("source", 1), one("batch_size", 2, Int), unused("shuffle", 3)] };

pub(super) static INPUT: Schema = Schema { fields: &[many("shape", 1, Message(&BLOB_SHAPE))] };

pub(super) static CONVOLUTION: Schema = Schema {
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

pub(super) static INNER_PRODUCT: Schema = Schema {
    fields: &[
        one("num_output", 1, Int),
        one("bias_term", 2, Bool),
        one("weight_filler", 3, Message(&FILLER)),
        one("bias_filler", 4, Message(&FILLER)),
        one("axis", 5, Int),
        one("transpose", 6, Bool),
    ],
};

pub(super) static LRN: Schema = Schema {
    fields: &[
        one("local_size", 1, Int),
        one("alpha", 2, Float),
        one("beta", 3, Float),
        one("norm_region", 4, Enum(&[("ACROSS_CHANNELS", 0), ("WITHIN_CHANNEL", 1)])),
        one("k", 5, Float),
        unused("engine", 6),
    ],
};

pub(super) static POOLING: Schema = Schema {
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

pub(super) static DROPOUT: Schema = Schema { fields: &[one("dropout_ratio", 1, Float)] };
pub(super) static POWER: Schema =
    Schema { fields: &[one("power", 1, Float), one("scale", 2, Float), one("shift", 3, Float)] };
pub(super) static RELU: Schema = Schema { fields: &[one("negative_slope", 1, Float), unused("engine", 2)] };
pub(super) static CONCAT: Schema = Schema { fields: &[one("concat_dim", 1, Int), one("axis", 2, Int)] };
pub(super) static SLICE: Schema =
    Schema { fields: &[one("slice_dim", 1, Int), many("slice_point", 2, Int), one("axis", 3, Int)] };
pub(super) static FLATTEN: Schema = Schema { fields: &[one("axis", 1, Int), one("end_axis", 2, Int)] };
