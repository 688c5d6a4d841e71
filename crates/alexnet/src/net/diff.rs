//! The differences between two recipes, and why they matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml::Value;

use super::network::Network;
use super::recipe::{Recipe, Spec};
use super::show::{difference_text, wrapped};
use crate::format::grouped;

/// Describes the differences between two recipes: sizes, preprocessing and training, layers by name; why each of them
/// matters; and the differences from the paper that only one of them documents.
pub fn diff(a: &Recipe, b: &Recipe) -> String {
    let mut reasons = BTreeSet::new();
    let lines =
        [sizes(a, b), keys(a, b, &mut reasons), layers(a, b, &mut reasons), order(a, b, &mut reasons)];
    let mut out = format!("{} -> {}\n", a.name, b.name);
    for line in lines.iter().flatten() {
        out += &wrapped(line, "  ", "    ");
    }
    if lines.iter().all(Vec::is_empty) {
        out += "  no differences in network, preprocessing or training\n";
    }
    if !reasons.is_empty() {
        out += "\nwhy this matters\n";
    }
    for reason in reasons {
        out += &wrapped(reason, "- ", "  ");
    }
    for (recipe, other) in [(a, b), (b, a)] {
        let own: Vec<_> = recipe.differences.iter().filter(|one| !other.differences.contains(one)).collect();
        if !own.is_empty() {
            let _ = writeln!(out, "\nhow recipe `{}` differs from the paper", recipe.name);
        }
        for difference in own {
            out += &difference_text(difference);
        }
    }
    out
}

/// Lists the numbers of parameters and multiply-adds, if they differ.
fn sizes(a: &Recipe, b: &Recipe) -> Vec<String> {
    let counts = |recipe: &Recipe| match Network::new(recipe, recipe.classes) {
        Ok(network) => [network.parameters(), network.macs()].map(grouped),
        Err(_) => ["does not fit", "does not fit"].map(String::from),
    };
    let (from, to) = (counts(a), counts(b));
    let differ = (0..2).filter(|&i| from[i] != to[i]);
    differ.map(|i| format!("{}: {} -> {}", ["parameters", "multiply-adds"][i], from[i], to[i])).collect()
}

/// Lists values that differ. Layers with the same change share a line; layers that only one recipe has are skipped.
fn keys(a: &Recipe, b: &Recipe, reasons: &mut BTreeSet<&'static str>) -> Vec<String> {
    let (a_values, b_values) = (values(a), values(b));
    let (a_names, b_names) = (names(a), names(b));
    let is_common = |layer: &String| a_names.contains(&layer.as_str()) && b_names.contains(&layer.as_str());
    // Changes outside of layers sort first.
    let mut changes: BTreeMap<(bool, String), Vec<&str>> = BTreeMap::new();
    for place in a_values.keys().chain(b_values.keys()).collect::<BTreeSet<_>>() {
        let (from, to) = (a_values.get(place), b_values.get(place));
        if from == to || !place.layer.as_ref().is_none_or(is_common) {
            continue;
        }
        let shown = |value: Option<&String>| value.map_or("none", String::as_str).to_string();
        let line = format!("{}: {} -> {}", place.key, shown(from), shown(to));
        changes.entry((place.layer.is_some(), line)).or_default().extend(place.layer.as_deref());
        let spec = place.layer.as_ref().and_then(|name| a.layers.iter().find(|layer| layer.name == *name));
        reasons.extend(match spec {
            Some(layer) => why_in_layer(&layer.spec, &place.key),
            None => why(&place.key),
        });
    }
    let in_layers = |layers: &[&str]| {
        if layers.is_empty() { String::new() } else { format!(" in {}", layers.join(", ")) }
    };
    changes.iter().map(|((_, line), layers)| format!("{line}{}", in_layers(layers))).collect()
}

/// Lists layers that only one recipe has: removed from `a`, or added in `b`.
fn layers(a: &Recipe, b: &Recipe, reasons: &mut BTreeSet<&'static str>) -> Vec<String> {
    let mut out = Vec::new();
    for (what, recipe, other) in [("removed", a, b), ("added", b, a)] {
        let others = names(other);
        let own: Vec<_> = recipe.layers.iter().filter(|spec| !others.contains(&spec.name.as_str())).collect();
        if !own.is_empty() {
            let names: Vec<&str> = own.iter().map(|spec| spec.name.as_str()).collect();
            out.push(format!("layers {what}: {}", names.join(", ")));
        }
        reasons.extend(own.iter().filter_map(|spec| why_layer(&spec.spec)));
    }
    out
}

/// Shows the part in which common layers have another order.
fn order(a: &Recipe, b: &Recipe, reasons: &mut BTreeSet<&'static str>) -> Vec<String> {
    let (a_names, b_names) = (names(a), names(b));
    let a_order: Vec<&str> = a_names.iter().copied().filter(|name| b_names.contains(name)).collect();
    let b_order: Vec<&str> = b_names.iter().copied().filter(|name| a_names.contains(name)).collect();
    let moved: Vec<usize> = (0..a_order.len()).filter(|&i| a_order[i] != b_order[i]).collect();
    let (Some(&first), Some(&last)) = (moved.first(), moved.last()) else { return Vec::new() };
    let place = |name: &str| b_order.iter().position(|other| *other == name);
    let spec = |name: &str| a.layers.iter().find(|layer| layer.name == name).map(|layer| &layer.spec);
    for (i, before) in a_order.iter().enumerate() {
        for after in a_order[i + 1..].iter().filter(|after| place(after) < place(before)) {
            reasons
                .extend(spec(before).zip(spec(after)).and_then(|(before, after)| why_order(before, after)));
        }
    }
    vec![format!("order: {} -> {}", a_order[first..=last].join(", "), b_order[first..=last].join(", "))]
}

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.layers.iter().map(|layer| layer.name.as_str()).collect()
}

/// A key of a recipe.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The name of the layer, for keys of layers.
    layer: Option<String>,
    /// The dotted key.
    key: String,
}

/// Returns every value of the recipe, except descriptions.
fn values(recipe: &Recipe) -> BTreeMap<Place, String> {
    let mut out = BTreeMap::new();
    let mut document = recipe.to_table();
    for description in ["name", "summary", "source", "deviation"] {
        document.remove(description);
    }
    if let Some(Value::Array(layers)) = document.remove("layer") {
        for (spec, layer) in recipe.layers.iter().zip(layers) {
            flatten(Some(&spec.name), "", &layer, &mut out);
        }
    }
    flatten(None, "", &Value::Table(document), &mut out);
    // Omitted from the TOML if they are the default.
    for (key, name) in [
        ("input.orientation", recipe.input.orientation.name()),
        ("precision", recipe.precision.name()),
        ("optimizer.algorithm", recipe.optimizer.algorithm.name()),
    ] {
        out.insert(Place { layer: None, key: key.to_owned() }, format!("{name:?}"));
    }
    out
}

fn flatten(layer: Option<&String>, path: &str, value: &Value, out: &mut BTreeMap<Place, String>) {
    let Value::Table(table) = value else {
        out.insert(Place { layer: layer.cloned(), key: path.to_string() }, value.to_string());
        return;
    };
    for (key, value) in table {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        flatten(layer, &inner, value, out);
    }
}

/// Returns the last part of a dotted key.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Explains why a key outside of layers matters.
fn why(key: &str) -> Option<&'static str> {
    Some(match last(key) {
        "crop" => {
            "Crop: in cuda-convnet the last window of conv1 extends past 224 pixels, Caffe rounds down and crops 227, \
             torchvision pads by 2; all produce maps of 55 x 55."
        }
        "orientation" => {
            "Orientation: phones store photos unrotated and note the rotation in EXIF; a network trained on upright \
             photos needs upright photos."
        }
        "color_noise" => "Color noise: reduces the top-1 error by over 1 % in the paper (section 4.1).",
        "random_crop" | "flip" => {
            "Crops and flips: without them the network of the paper overfits substantially (section 4.1)."
        }
        "mean" | "fixed" | "divisor" | "deviations" => {
            "Pixel scale: learning rates and initial weights depend on it; to reuse weights at another scale, rescale \
             conv1."
        }
        "batch" => {
            "Batch: at the same learning rate, a larger batch takes fewer, less noisy steps; scale the learning rate \
             with it."
        }
        "precision" => {
            "Precision: with bfloat16 operands, products are up to twice as fast on processors that have them, and the outputs \
             of a convolution differ by 1 to 5 %."
        }
        "rate_for_batch" => {
            "Scaled learning rate: in proportion to the batch, so that an epoch of fewer, larger steps moves the weights as \
             far."
        }
        "algorithm" | "trust" => {
            "LARS: the learning rate of a layer follows the ratio of its weights to its gradient, so that no layer diverges \
             at the high learning rates of large batches."
        }
        "warm_up_epochs" => {
            "Warm-up: the initial weights change fast, and a high learning rate from the first step on may diverge."
        }
        "decay" => "Decay: in the paper it also reduces the training error (section 5).",
        "epochs" | "divide_by" | "at_epochs" | "patience" | "times" => {
            "Schedule: the error drops each time the learning rate is divided."
        }
        "to" | "levels" => {
            "Curve of the learning rate: it falls in every step, and reaches its end however few the epochs are."
        }
        "views" => "Views: ten views reduce the top-1 error by about 1.5 % over one (37.5 % versus 39.0 %).",
        _ => return None,
    })
}

/// Explains why a key of a layer matters.
fn why_in_layer(spec: &Spec, key: &str) -> Option<&'static str> {
    Some(match (last(key), spec) {
        ("groups", Spec::Lrn { .. }) => {
            "Groups of a normalization: whether its window extends from one column into the other."
        }
        ("groups", _) => {
            "Groups: columns that are not connected to each other halve the weights and the work of a layer; the two \
             columns of the paper reduce the top-1 error by 1.7 % over one column with half as many kernels in all \
             convolutions but the last (section 3.2)."
        }
        ("rounding" | "pad", _) => {
            "Rounding and padding: whether a last, partial window is used. Pooling of 55, 27 and 13 pixels has the \
             same result either way."
        }
        ("alpha" | "alpha_over_size" | "k" | "beta", _) => {
            "Normalization constants: the formula of the paper does not divide alpha by the window size, cuda-convnet \
             and Caffe do; k is 2 in the paper, 1 in Caffe. Changing them makes trained weights less accurate."
        }
        ("bias", _) => {
            "Initial biases: 1 provides the ReLUs with positive inputs from the start (section 5); in Caffe the loss \
             stayed flat at 1, so it uses 0.1."
        }
        ("normal" | "init", _) => {
            "Initial weights: if too small, the loss stays at ln(classes) for epochs; He initialization preserves the \
             size of the signal at any depth."
        }
        ("bias_rate", _) => "Bias rate: biases are few, and can safely learn twice as fast.",
        ("scale", _) => {
            "Dropout scale: in inference (paper) or in training (Caffe, PyTorch); inference computes the same \
             function, gradients in training differ by the factor."
        }
        ("kernel" | "stride", _) => {
            "Windows: pooling windows overlap if the stride is smaller than the kernel, which reduces the top-1 error \
             by 0.4 % (section 3.4)."
        }
        _ => return None,
    })
}

/// Explains why it matters which of two layers comes first.
fn why_order(one: &Spec, other: &Spec) -> Option<&'static str> {
    use Spec::{Dropout, Fc, Lrn, MapNorm, MaxPool, Relu};
    match (one, other) {
        (Lrn { .. } | MapNorm { .. }, MaxPool(_)) | (MaxPool(_), Lrn { .. } | MapNorm { .. }) => Some(
            "Order of pooling and normalization: pooling first leaves a quarter of the pixels to normalize, but computes \
             another function, which needs other weights.",
        ),
        (Lrn { .. } | MapNorm { .. }, Relu {}) | (Relu {}, Lrn { .. } | MapNorm { .. }) => Some(
            "Order of ReLU and normalization: before the ReLU, negative values too add to the sums that normalize; \
             another function, which needs other weights.",
        ),
        (MaxPool(_), Relu {}) | (Relu {}, MaxPool(_)) => {
            Some("Order of ReLU and max pooling: both ways compute the same function.")
        }
        (Dropout { .. }, Fc { .. }) | (Fc { .. }, Dropout { .. }) => Some(
            "Order of dropout and fully connected layers: dropout drops inputs of the layer after it; at test time it \
             changes nothing but their scale.",
        ),
        _ => None,
    }
}

/// Explains why a layer that only one of the recipes has matters.
fn why_layer(spec: &Spec) -> Option<&'static str> {
    match spec {
        Spec::Lrn { .. } => {
            Some("Normalization across channels: reduces the top-1 error by 1.4 % (section 3.3).")
        }
        Spec::Dropout { .. } => Some(
            "Dropout: without it the fully connected layers overfit substantially; with it training takes about twice \
             as many steps (section 4.2).",
        ),
        Spec::Relu {} | Spec::Tanh {} | Spec::Logistic {} => Some(
            "Activation: ReLUs reach 25 % training error on CIFAR-10 six times faster than tanh units (Fig. 1).",
        ),
        Spec::MapNorm { .. } => {
            Some("Normalization within channels: cuda-convnet has it, the paper does not mention it.")
        }
        Spec::Local(_) => {
            Some("Locally connected layers: separate kernels for each position, and many more weights.")
        }
        Spec::Conv(_) | Spec::Fc { .. } | Spec::MaxPool(_) | Spec::AvgPool(_) => None,
    }
}
