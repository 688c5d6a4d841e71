//! Solvers.

use super::field::FieldKind::{Enum, Float, Int, Text};
use super::field::{Schema, many, one, unused};

/// `SolverParameter`: how to train.
pub(in crate::interop::caffe) static SOLVER: Schema = Schema {
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
