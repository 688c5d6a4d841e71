//! What differs between two recipes, and why it matters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml::Value;

use super::network::Network;
use super::recipe::{Recipe, Spec};
use super::show::{card_line, wrapped};
use crate::format::grouped;

/// What differs between two recipes: sizes, preparation, training, then layers by name; why each of those matters;
/// then what the cards say that the other's does not.
pub fn diff(a: &Recipe, b: &Recipe) -> String {
    let mut reasons = BTreeSet::new();
    let lines =
        [sizes(a, b), keys(a, b, &mut reasons), layers(a, b, &mut reasons), order(a, b, &mut reasons)];
    let mut out = format!("{} -> {}\n", a.name, b.name);
    for line in lines.iter().flatten() {
        out += &wrapped(line, "  ", "    ");
    }
    if lines.iter().all(Vec::is_empty) {
        out += "  the same network, prepared and trained the same way\n";
    }
    if !reasons.is_empty() {
        out += "\nwhy it matters\n";
    }
    for reason in reasons {
        out += &wrapped(reason, "- ", "  ");
    }
    for (recipe, other) in [(a, b), (b, a)] {
        let own: Vec<_> = recipe.deviations.iter().filter(|line| !other.deviations.contains(line)).collect();
        if !own.is_empty() {
            let _ = writeln!(out, "\nfrom the card of {}", recipe.name);
        }
        for line in own {
            out += &card_line(line);
        }
    }
    out
}

/// Parameters and multiply-adds, where they differ.
fn sizes(a: &Recipe, b: &Recipe) -> Vec<String> {
    let counts = |recipe: &Recipe| match Network::new(recipe, recipe.classes) {
        Ok(network) => [network.parameters(), network.macs()].map(grouped),
        Err(_) => ["does not fit", "does not fit"].map(String::from),
    };
    let (from, to) = (counts(a), counts(b));
    let differ = (0..2).filter(|&i| from[i] != to[i]);
    differ.map(|i| format!("{}: {} -> {}", ["parameters", "multiply-adds"][i], from[i], to[i])).collect()
}

/// Values that differ. Layers with the same change share a line; layers that only one of them has are left out.
fn keys(a: &Recipe, b: &Recipe, reasons: &mut BTreeSet<&'static str>) -> Vec<String> {
    let (a_values, b_values) = (values(a), values(b));
    let mut changes: BTreeMap<(bool, String), Vec<&str>> = BTreeMap::new();
    for (layer, key) in a_values.keys().chain(b_values.keys()).collect::<BTreeSet<_>>() {
        let place = (layer.clone(), key.clone());
        let (from, to) = (a_values.get(&place), b_values.get(&place));
        if from == to
            || !(layer.is_empty() || names(a).contains(&layer.as_str()) && names(b).contains(&layer.as_str()))
        {
            continue;
        }
        let told = |value: Option<&String>| value.map_or("none", String::as_str).to_string();
        let line = format!("{key}: {} -> {}", told(from), told(to));
        let layers = changes.entry((!layer.is_empty(), line)).or_default();
        if !layer.is_empty() {
            layers.push(layer);
        }
        let spec = a.layers.iter().find(|spec| spec.name == *layer).map(|spec| &spec.spec);
        reasons.extend(why(spec, key));
    }
    let in_layers = |layers: &[&str]| {
        if layers.is_empty() { String::new() } else { format!(" in {}", layers.join(", ")) }
    };
    changes.iter().map(|((_, line), layers)| format!("{line}{}", in_layers(layers))).collect()
}

/// Layers that only one of the two has: those of `a` are removed on the way to `b`, those of `b` added.
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

/// The stretch in which the common layers stand in another order.
fn order(a: &Recipe, b: &Recipe, reasons: &mut BTreeSet<&'static str>) -> Vec<String> {
    let (a_names, b_names) = (names(a), names(b));
    let a_order: Vec<&str> = a_names.iter().copied().filter(|name| b_names.contains(name)).collect();
    let b_order: Vec<&str> = b_names.iter().copied().filter(|name| a_names.contains(name)).collect();
    let moved: Vec<usize> = (0..a_order.len()).filter(|&i| a_order[i] != b_order[i]).collect();
    let (Some(&first), Some(&last)) = (moved.first(), moved.last()) else { return Vec::new() };
    reasons.insert(
        "Order of layers: pooling before normalization leaves a quarter of the pixels to normalize, but computes \
         something else, so weights do not move between the two. ReLU and max pooling may swap freely.",
    );
    vec![format!("order: {} -> {}", a_order[first..=last].join(", "), b_order[first..=last].join(", "))]
}

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.layers.iter().map(|layer| layer.name.as_str()).collect()
}

/// Every value of the recipe by its layer's name (empty outside the layers) and its dotted key. What only
/// describes is left out.
fn values(recipe: &Recipe) -> BTreeMap<(String, String), String> {
    let mut out = BTreeMap::new();
    let mut document = recipe.to_table();
    for described in ["name", "summary", "source", "deviation"] {
        document.remove(described);
    }
    if let Some(Value::Array(layers)) = document.remove("layer") {
        for (spec, layer) in recipe.layers.iter().zip(layers) {
            flatten(&spec.name, "", &layer, &mut out);
        }
    }
    flatten("", "", &Value::Table(document), &mut out);
    // Left out of the TOML where it is the default.
    let orientation = format!("{:?}", recipe.input.orientation.word());
    out.insert((String::new(), "input.orientation".to_owned()), orientation);
    out
}

fn flatten(layer: &str, path: &str, value: &Value, out: &mut BTreeMap<(String, String), String>) {
    let Value::Table(table) = value else {
        out.insert((layer.to_string(), path.to_string()), value.to_string());
        return;
    };
    for (key, value) in table {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        flatten(layer, &inner, value, out);
    }
}

/// Why a key matters, outside the layers or in a layer that is `spec`.
fn why(spec: Option<&Spec>, key: &str) -> Option<&'static str> {
    let last = key.rsplit('.').next().unwrap_or(key);
    Some(match (spec.is_some(), last) {
        (true, "groups") if matches!(spec, Some(Spec::Lrn { .. })) => {
            "Groups of a normalization: whether its window crosses from one column into the other."
        }
        (false, "crop") => {
            "Crop: the 2012 program lets the last window of conv1 reach past 224 pixels, Caffe rounds down and crops \
             227, torchvision pads 2; all give maps of 55 x 55."
        }
        (false, "orientation") => {
            "Orientation: phones store photos as the sensor lay, and note in EXIF how to turn them; a network that is \
             trained on upright photos has to be shown upright ones."
        }
        (false, "color_noise") => {
            "Color noise: the paper credits it with over 1 % of top-1 error (section 4.1)."
        }
        (false, "random_crop" | "flip") => {
            "Crops and flips: without them the paper's network overfits substantially (section 4.1)."
        }
        (false, "mean" | "fixed" | "divisor" | "deviations") => {
            "Pixel scale: rates and initial weights assume it; weights do not move between scales without scaling \
             conv1."
        }
        (false, "batch") => {
            "Batch: at the same rate a larger batch makes fewer, less noisy steps; scale the rate with it."
        }
        (false, "decay") => "Decay: the paper found it lowers the training error too (section 5).",
        (false, "epochs" | "divide_by" | "at_epochs" | "patience" | "times") => {
            "Schedule: the error falls in a step at each division of the rate."
        }
        (false, "views") => "Views: ten instead of one gain about 1.5 % of top-1 error (39.0 against 37.5).",
        (true, "groups") => {
            "Groups: columns that do not see each other halve a layer's weights and work; the paper's two columns \
             gain 1.7 % of top-1 error over one column of half the size (section 3.2)."
        }
        (true, "rounding" | "pad") => {
            "Rounding and padding: whether the last, partly covered window counts. The poolings of 55, 27 and 13 \
             pixels come out the same either way."
        }
        (true, "alpha" | "alpha_over_size" | "k" | "beta") => {
            "Normalization constants: the paper's formula does not divide alpha by the window's size, the programs \
             do; k is 2 in the paper, 1 in Caffe. Weights do not move between constants without loss."
        }
        (true, "bias") => {
            "Initial biases: 1 feeds the ReLUs positive inputs from the start (section 5); Caffe found 0.1 necessary, \
             1 gave a flat loss."
        }
        (true, "normal" | "init") => {
            "Initial weights: too small and the loss stays at ln(classes) for epochs; He's deviation keeps the signal's \
             size through any depth."
        }
        (true, "bias_rate") => "Bias rate: biases are few and safe to move twice as fast.",
        (true, "scale") => {
            "Dropout's scale: at test (paper) or in training (Caffe, PyTorch); the function computed at test is the \
             same, the gradients in training differ by the factor."
        }
        (true, "kernel" | "stride") => {
            "Windows: a pooling whose stride is smaller than its kernel overlaps, which gains 0.4 % (section 3.4)."
        }
        _ => return None,
    })
}

/// Why a layer that only one of the two has matters.
fn why_layer(spec: &Spec) -> Option<&'static str> {
    Some(match spec {
        Spec::Lrn { .. } => "Normalization across maps gains 1.4 % of top-1 error (section 3.3).",
        Spec::Dropout { .. } => {
            "Dropout: without it the fully connected layers overfit substantially; with it convergence takes about \
             twice the steps (section 4.2)."
        }
        Spec::Relu {} | Spec::Tanh {} | Spec::Logistic {} => {
            "Non-linearity: ReLUs reach 25 % training error on CIFAR-10 six times faster than tanh (Fig. 1)."
        }
        Spec::MapNorm { .. } => {
            "Normalization within maps: the programs of 2012 have it, the paper does not name it."
        }
        Spec::Local(_) => {
            "Locally connected layers: kernels of their own at every position, many more weights."
        }
        _ => return None,
    })
}
