//! From layers of a definition to operations.

use super::message::Message;
use super::nodes::Node;
use super::operation::{InnerProductOperation, Operation};
use super::origin::short;
use super::settings::{Settings, conv, pool};
use crate::net::Activation;

/// Types of layers with a meaning here, for messages.
const TYPES: &str = "Convolution, InnerProduct, Pooling, LRN, ReLU, TanH, Sigmoid, Dropout, Power, Slice, Concat, Split, \
     Flatten, Softmax, SoftmaxWithLoss, Accuracy, Silence, and those that make data";

/// Returns what a layer computes. What recipes lack is added to `problems`.
pub(super) fn operation(node: &Node<'_>, problems: &mut Vec<String>) -> Operation {
    let mut settings = Settings { node, problems };
    match node.kind {
        "Data" | "Input" | "ImageData" | "MemoryData" | "HDF5Data" | "DummyData" | "WindowData" => {
            Operation::Source
        }
        "Convolution" => Operation::Conv(conv(&mut settings)),
        "InnerProduct" => Operation::InnerProduct(inner_product(&mut settings)),
        "Pooling" => Operation::Pool(pool(&mut settings)),
        "LRN" => lrn(&mut settings),
        "ReLU" => {
            settings.expect("relu_param", "negative_slope", 0.0);
            Operation::Activation(Activation::Relu)
        }
        "TanH" => Operation::Activation(Activation::Tanh),
        "Sigmoid" => Operation::Activation(Activation::Logistic),
        "Dropout" => dropout(&mut settings),
        "Power" => {
            settings.expect("power_param", "power", 1.0);
            settings.expect("power_param", "shift", 0.0);
            let scale = settings.message("power_param").and_then(|power| power.float("scale"));
            match scale.unwrap_or(1.0) {
                1.0 => Operation::Alias,
                factor => Operation::Factor { factor },
            }
        }
        "Slice" => {
            settings.expect_int("slice_param", "axis", 1);
            settings.expect_int("slice_param", "slice_dim", 1);
            Operation::Slice
        }
        "Concat" => {
            settings.expect_int("concat_param", "axis", 1);
            settings.expect_int("concat_param", "concat_dim", 1);
            Operation::Concat
        }
        "Flatten" => {
            settings.expect_int("flatten_param", "axis", 1);
            settings.expect_int("flatten_param", "end_axis", -1);
            Operation::Alias
        }
        "Split" => Operation::Alias,
        "Softmax" | "Accuracy" | "Silence" | "ArgMax" | "HDF5Output" => Operation::Sink,
        kind if is_loss(kind) => Operation::Sink,
        kind => {
            settings.problem(&format!("type `{}`", short(kind)));
            Operation::Sink
        }
    }
}

/// The help of an error about layers that recipes lack.
pub(super) fn help() -> String {
    format!("remove these layers, or replace them. Types with a counterpart: {TYPES}")
}

/// Whether a type of layers is a loss.
pub(super) fn is_loss(kind: &str) -> bool {
    kind.ends_with("Loss")
}

/// Whether a loss is the cross-entropy of the softmax.
pub(super) fn is_softmax_loss(kind: &str) -> bool {
    matches!(kind, "SoftmaxWithLoss" | "SoftmaxLoss" | "MultinomialLogisticLoss")
}

fn inner_product(settings: &mut Settings<'_, '_>) -> InnerProductOperation {
    settings.expect_int("inner_product_param", "axis", 1);
    let param = settings.message("inner_product_param");
    InnerProductOperation {
        outputs: settings.integer(param, "num_output", None, 1..=1 << 20),
        has_biases: param.and_then(|param| param.flag("bias_term")).unwrap_or(true),
        is_transposed: param.and_then(|param| param.flag("transpose")).unwrap_or(false),
    }
}

fn lrn(settings: &mut Settings<'_, '_>) -> Operation {
    let param = settings.message("lrn_param");
    let number = |name: &str, default: f64| param.and_then(|param| param.float(name)).unwrap_or(default);
    let (alpha, beta, k) = (number("alpha", 1.0), number("beta", 0.75), number("k", 1.0));
    let size = settings.integer(param, "local_size", Some(5), 1..=4096);
    if size.is_multiple_of(2) {
        settings.problem(&format!("`local_size` {size}, expected an odd number"));
    }
    for (name, value, range) in
        [("alpha", alpha, 0.0..=1e6), ("beta", beta, 0.0..=100.0), ("k", k, 1e-30..=1e6)]
    {
        if !range.contains(&value) {
            settings.problem(&format!("`{name}` {value}, expected {} to {}", range.start(), range.end()));
        }
    }
    match param.and_then(|param| param.choice("norm_region")) {
        // Here Caffe ignores `k`, which is 1.
        Some("WITHIN_CHANNEL") => Operation::MapNorm { size, alpha, beta },
        Some(_) | None => Operation::Lrn { size, alpha, beta, k },
    }
}

fn dropout(settings: &mut Settings<'_, '_>) -> Operation {
    let param = settings.message("dropout_param");
    let ratio = param.and_then(|param: &Message| param.float("dropout_ratio")).unwrap_or(0.5);
    if !(0.0..1.0).contains(&ratio) {
        settings.problem(&format!("`dropout_ratio` {ratio}, expected 0 or more, below 1"));
    }
    Operation::Dropout { ratio }
}
