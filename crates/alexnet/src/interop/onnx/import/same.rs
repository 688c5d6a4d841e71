//! Whether two networks compute the same function of their input and parameters.

use alexnet_kernels::geometry::{ConvGeometry, NormGeometry, Normalization};

use crate::net::{DropoutScale, Layer, Network, Operation};

/// Whether two networks compute the same. Dropout that scales in training computes nothing in inference, and constants that were
/// written in single precision may differ in its last digit.
pub(super) fn is_same_function(a: &Network, b: &Network) -> bool {
    let (first, second) = (computed(a), computed(b));
    a.input == b.input
        && first.len() == second.len()
        && first.iter().zip(second).all(|(a, b)| is_same_layer(a, b))
}

fn computed(network: &Network) -> Vec<&Layer> {
    let is_computed =
        |layer: &&Layer| !matches!(layer.operation, Operation::Dropout { scale: DropoutScale::Train, .. });
    network.layers.iter().filter(is_computed).collect()
}

fn is_same_layer(a: &Layer, b: &Layer) -> bool {
    // Two roundings with as many windows are the same.
    let is_same_window = |a: &ConvGeometry, b: &ConvGeometry| {
        (a.window().kernel, a.window().stride, a.window().pad, a.groups())
            == (b.window().kernel, b.window().stride, b.window().pad, b.groups())
    };
    let is_same_operation = match (&a.operation, &b.operation) {
        (Operation::Conv(a, _), Operation::Conv(b, _)) | (Operation::Local(a, _), Operation::Local(b, _)) => {
            is_same_window(a, b)
        }
        (Operation::Fc(a, _), Operation::Fc(b, _)) => a == b,
        (Operation::Pool(kind, a), Operation::Pool(other, b)) => {
            kind == other
                && (a.window().kernel, a.window().stride, a.window().pad)
                    == (b.window().kernel, b.window().stride, b.window().pad)
        }
        (Operation::Lrn(a), Operation::Lrn(b)) | (Operation::MapNorm(a), Operation::MapNorm(b)) => {
            is_same_norm(a, b)
        }
        (Operation::Activation(a), Operation::Activation(b)) => a == b,
        (Operation::Dropout { rate: a, .. }, Operation::Dropout { rate: b, .. }) => (a - b).abs() < 1e-6,
        (
            Operation::Conv(..)
            | Operation::Local(..)
            | Operation::Fc(..)
            | Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. },
            _,
        ) => false,
    };
    is_same_operation && (a.input, a.output) == (b.input, b.output)
}

fn is_same_norm(a: &NormGeometry, b: &NormGeometry) -> bool {
    let is_close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs();
    let Normalization { size, alpha, beta, k } = a.constants();
    let other = b.constants();
    (size, a.groups()) == (other.size, b.groups())
        && is_close(alpha, other.alpha)
        && is_close(beta, other.beta)
        && is_close(k, other.k)
}
