//! What differs between two recipes, and why it matters.

use std::collections::BTreeMap;
use std::fmt::Write;

use toml::Value;

use super::network::Network;
use super::recipe::Recipe;
use super::show::{grouped, wrapped};

/// What differs between two recipes: sizes, preparation, training, then layers by name, each with why it matters;
/// then the cards of both.
pub fn diff(a: &Recipe, b: &Recipe) -> String {
    let mut out = format!("{} -> {}\n", a.name, b.name);
    let (a_values, b_values) = (values(a), values(b));
    let mut reasons: Vec<&'static str> = Vec::new();
    let mut differ = false;

    for (what, of) in
        [("parameters", Network::parameters as fn(&Network) -> usize), ("multiply-adds", Network::macs)]
    {
        let told = |recipe: &Recipe| match Network::new(recipe, recipe.classes) {
            Ok(network) => grouped(of(&network)),
            Err(_) => "does not fit".to_string(),
        };
        let (from, to) = (told(a), told(b));
        if from != to {
            let _ = writeln!(out, "  {what}: {from} -> {to}");
        }
    }

    let mut keys: Vec<&String> = a_values.keys().chain(b_values.keys()).collect();
    keys.sort_by_key(|key| key.starts_with("layer."));
    keys.dedup();
    let mut seen = std::collections::BTreeSet::new();
    let (a_names, b_names) = (names(a), names(b));
    for key in keys {
        let absent = |names: &[&str]| {
            key.strip_prefix("layer.").is_some_and(|rest| {
                let name = rest.split('.').next().unwrap_or_default();
                !names.contains(&name)
            })
        };
        // Layers that only one of them has are told below, in one line each.
        if !seen.insert(key) || absent(&a_names) || absent(&b_names) {
            continue;
        }
        let (from, to) = (a_values.get(key), b_values.get(key));
        if from == to {
            continue;
        }
        differ = true;
        let told = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_string());
        let _ = writeln!(out, "  {key}: {} -> {}", told(from), told(to));
        reasons.extend(why(key));
    }

    for (title, recipe, own, other) in
        [("only in", a, &a_names, &b_names), ("only in", b, &b_names, &a_names)]
    {
        let lone: Vec<&str> = own.iter().copied().filter(|name| !other.contains(name)).collect();
        if !lone.is_empty() {
            differ = true;
            let _ = writeln!(out, "  layers {title} {}: {}", recipe.name, lone.join(", "));
            reasons.extend(lone.iter().filter_map(|name| why_layer(recipe, name)));
        }
    }
    let common = |own: &[&str], other: &[&str]| -> Vec<String> {
        own.iter().filter(|name| other.contains(name)).map(ToString::to_string).collect()
    };
    let (a_order, b_order) = (common(&a_names, &b_names), common(&b_names, &a_names));
    if a_order != b_order {
        differ = true;
        let first = a_order.iter().zip(&b_order).position(|(x, y)| x != y).unwrap_or(0);
        let end = a_order.len()
            - a_order.iter().rev().zip(b_order.iter().rev()).take_while(|(x, y)| x == y).count();
        let _ = writeln!(
            out,
            "  order: {} -> {}",
            a_order[first..end].join(", "),
            b_order[first..end].join(", ")
        );
        reasons.push(
            "Order of pooling and normalisation: pooling first makes the normalisation four times cheaper; the \
             functions differ, so weights do not move between the two. ReLU and max pooling may swap freely.",
        );
    }
    if !differ {
        out += "  the same network, prepared and trained the same way\n";
    }

    reasons.sort_unstable();
    reasons.dedup();
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
            out += &wrapped(&format!("{}. {}", line.what.trim_end_matches('.'), line.why), "- ", "  ");
        }
    }
    out
}

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.layers.iter().map(|layer| layer.name.as_str()).collect()
}

/// Every value of the recipe under its dotted key, layers by name. What only describes is left out.
fn values(recipe: &Recipe) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut document =
        toml::Table::try_from(recipe).expect("a recipe holds strings, numbers and tables only");
    for described in ["name", "summary", "source", "deviation"] {
        document.remove(described);
    }
    if let Some(Value::Array(layers)) = document.remove("layer") {
        for (spec, layer) in recipe.layers.iter().zip(layers) {
            flatten(&format!("layer.{}", spec.name), &layer, &mut out);
        }
    }
    for (key, value) in &document {
        flatten(key, value, &mut out);
    }
    out
}

fn flatten(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(&format!("{path}.{key}"), value, out);
            }
        }
        _ => {
            out.insert(path.to_string(), value.to_string());
        }
    }
}

/// Why a key matters.
fn why(key: &str) -> Option<&'static str> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let layer = key.starts_with("layer.");
    Some(match (layer, last) {
        (false, "crop") => {
            "Crop: the 2012 program lets the last window of conv1 reach past 224 pixels, Caffe rounds down and crops \
             227, torchvision pads 2; all give maps of 55 x 55."
        }
        (false, "color_noise") => {
            "Colour noise: the paper credits it with over 1 % of top-1 error (section 4.1)."
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
        (true, "rounding" | "pad") => "Rounding and padding: whether the last, partly covered window counts.",
        (true, "alpha" | "alpha_over_size" | "k" | "beta") => {
            "Normalisation constants: the paper's formula does not divide alpha by the window's size, the programs \
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
fn why_layer(recipe: &Recipe, name: &str) -> Option<&'static str> {
    use super::recipe::Spec;
    let layer = recipe.layers.iter().find(|layer| layer.name == name)?;
    Some(match layer.spec {
        Spec::Lrn { .. } => "Normalisation across maps gains 1.4 % of top-1 error (section 3.3).",
        Spec::Dropout { .. } => {
            "Dropout: without it the fully connected layers overfit substantially; with it convergence takes about \
             twice the steps (section 4.2)."
        }
        Spec::Relu {} | Spec::Tanh {} | Spec::Logistic {} => {
            "Non-linearity: ReLUs reach 25 % training error on CIFAR-10 six times faster than tanh (Fig. 1)."
        }
        Spec::MapNorm { .. } => {
            "Normalisation within maps: the programs of 2012 have it, the paper does not name it."
        }
        Spec::Local(_) => {
            "Locally connected layers: kernels of their own at every position, many more weights."
        }
        _ => return None,
    })
}
