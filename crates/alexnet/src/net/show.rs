//! Recipes and networks as text and as JSON.

use std::fmt::Write;

use alexnet_kernels::geometry::Rounding;
use serde_json::{Value, json};

use super::layer::{Layer, Operation, window_text};
use super::network::Network;
use super::recipe::{Algorithm, Difference, DropoutScale, Init, Mean, Orientation, Recipe, WeightSpec};
use super::schedule::{LrCurve, LrSchedule};
use super::views::Views;
use crate::format::{counted, grouped};

/// Formats a recipe as text: the table of layers, preprocessing, training, and differences from the paper.
pub fn text(recipe: &Recipe, network: &Network) -> String {
    let mut out = format!("{}: {}\nsource: {}\n\n", recipe.name, recipe.summary, recipe.source);
    out += &table(network);
    let views = match recipe.evaluation.views {
        Views::Center => "center view".to_string(),
        Views::Ten => format!("mean of {}", Views::Ten),
    };
    out.push('\n');
    for (name, line) in [
        ("images", preprocessing(recipe)),
        ("optimizer", optimizer(recipe)),
        ("schedule", schedule(recipe)),
        ("evaluation", views),
    ] {
        out += &wrapped(&line, &format!("{name:<10}  "), "            ");
    }
    out += &differences(recipe);
    out
}

/// Converts a recipe to JSON. Fields: `name`, `summary`, `source`, `classes`, `input` `[channels, height, width]`, `parameters`, `macs` per
/// image, `layers[]` of `name`, `kind`, `output` (`[channels, height, width]`, of fully connected layers and
/// what follows them `[units]`), `parameters`, `macs`, and `deviations[]` of `what`, `why`.
pub fn json(recipe: &Recipe, network: &Network) -> Value {
    let layers: Vec<Value> = network
        .layers
        .iter()
        .map(|layer| {
            let out = layer.output;
            let output = if out.pixels() == 1 {
                json!([out.channels])
            } else {
                json!([out.channels, out.height, out.width])
            };
            json!({
                "name": layer.name,
                "kind": layer.kind(),
                "output": output,
                "parameters": layer.parameters(),
                "macs": layer.macs(),
            })
        })
        .collect();
    json!({
        "name": recipe.name,
        "summary": recipe.summary,
        "source": recipe.source,
        "classes": network.classes,
        "input": [network.input.channels, network.input.height, network.input.width],
        "parameters": network.parameters(),
        "macs": network.macs(),
        "layers": layers,
        "deviations": recipe.differences,
    })
}

/// Formats the layers as a table, with totals.
pub fn table(network: &Network) -> String {
    let blank_zero = |n: usize| if n == 0 { String::new() } else { grouped(n) };
    let mut rows =
        vec![["layer", "kind", "output", "parameters", "multiply-adds", "settings"].map(String::from)];
    rows.push([
        "input".into(),
        String::new(),
        network.input.to_string(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    for layer in &network.layers {
        let output = if layer.output.pixels() == 1 {
            layer.output.channels.to_string()
        } else {
            layer.output.to_string()
        };
        rows.push([
            layer.name.clone(),
            layer.kind().to_string(),
            output,
            blank_zero(layer.parameters()),
            blank_zero(layer.macs()),
            layer_settings(layer),
        ]);
    }
    rows.push([
        "total".into(),
        String::new(),
        String::new(),
        grouped(network.parameters()),
        grouped(network.macs()),
        String::new(),
    ]);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut out = String::new();
    for [name, kind, output, parameters, macs, settings] in &rows {
        let line = format!(
            "{name:<0$}  {kind:<1$}  {output:>2$}  {parameters:>3$}  {macs:>4$}  {settings}",
            widths[0], widths[1], widths[2], widths[3], widths[4]
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn layer_settings(layer: &Layer) -> String {
    let rounding = |rounding| if rounding == Rounding::Up { ", rounding up" } else { "" };
    match &layer.operation {
        Operation::Conv(g, weights) | Operation::Local(g, weights) => {
            let window = window_text(g.window().kernel, g.window().stride, g.window().pad, g.groups());
            format!("{window}{}, {}", rounding(g.window().rounding), weight_text(weights))
        }
        Operation::Fc(_, weights) => weight_text(weights),
        Operation::Pool(_, g) => {
            let window = window_text(g.window().kernel, g.window().stride, g.window().pad, 1);
            format!("{window}{}", rounding(g.window().rounding))
        }
        Operation::Lrn(g) => {
            let c = g.constants();
            let groups = if g.groups() > 1 { format!(", {} groups", g.groups()) } else { String::new() };
            format!("{} channels, alpha {}, beta {}, k {}{groups}", c.size, rounded(c.alpha), c.beta, c.k)
        }
        Operation::MapNorm(g) => {
            let c = g.constants();
            format!("{0}x{0} pixels, alpha {1}, beta {2}, k {3}", c.size, rounded(c.alpha), c.beta, c.k)
        }
        Operation::Activation(_) => String::new(),
        Operation::Dropout { rate, scale } => {
            let scale = match scale {
                DropoutScale::Test => "scaled in inference",
                DropoutScale::Train => "scaled in training",
            };
            format!("rate {rate}, {scale}")
        }
    }
}

fn weight_text(weights: &WeightSpec) -> String {
    let mut out = match weights.init {
        Init::Normal(std) => format!("N(0, {std})"),
        Init::He => "He init".to_string(),
        Init::FanIn => "fan-in init".to_string(),
    };
    for (name, value, default) in
        [("bias ", weights.bias, 0.0), ("rate x", weights.rate, 1.0), ("bias rate x", weights.bias_rate, 1.0)]
    {
        if value != default {
            let _ = write!(out, ", {name}{value}");
        }
    }
    if let Some(decay) = weights.decay {
        let _ = write!(out, ", decay {decay}");
    }
    out
}

fn preprocessing(recipe: &Recipe) -> String {
    let input = &recipe.input;
    let mut out = format!("{0} x {0} squares, ", input.square);
    let _ = match (recipe.augment.random_crop, input.crop == input.square) {
        (_, true) => write!(out, "not cropped"),
        (true, _) => write!(out, "random {0} x {0} crops in training", input.crop),
        (false, _) => write!(out, "center {0} x {0} crop", input.crop),
    };
    if input.orientation == Orientation::Exif {
        out = format!("rotated by EXIF orientation (except in ImageNet archives), {out}");
    }
    if recipe.augment.flip {
        out += ", flips";
    }
    if recipe.augment.color_noise > 0.0 {
        let _ = write!(out, ", color noise {}", recipe.augment.color_noise);
    }
    let _ = match input.mean {
        Mean::Image => write!(out, "; minus the mean image"),
        Mean::Channels => write!(out, "; minus the mean color"),
        Mean::Fixed([r, g, b]) => write!(out, "; minus ({r}, {g}, {b})"),
    };
    if input.divisor != 1.0 {
        let _ = write!(out, ", divided by {}", input.divisor);
    }
    if let Some([r, g, b]) = input.std {
        let _ = write!(out, " and by ({r}, {g}, {b})");
    }
    out
}

fn optimizer(recipe: &Recipe) -> String {
    let o = &recipe.optimizer;
    let algorithm = match o.algorithm {
        Algorithm::Sgd => "SGD".to_owned(),
        Algorithm::Lars { trust } => format!("LARS with trust {trust}"),
    };
    let scaled = match o.rate_for_batch {
        None => String::new(),
        Some(images) => format!(" ({} for a batch of {images})", o.rate),
    };
    format!(
        "{algorithm}, batch {}, learning rate {}{scaled}, momentum {}, weight decay {}",
        o.batch,
        o.scaled_rate(),
        o.momentum,
        o.decay
    )
}

fn schedule(recipe: &Recipe) -> String {
    let s = &recipe.schedule;
    let mut epochs = counted(s.epochs, "epoch");
    if let Some(warm_up) = s.warm_up_epochs {
        let _ = write!(epochs, ", {} of warm-up", counted(warm_up, "epoch"));
    }
    match &s.lr {
        LrSchedule::Constant { .. } => format!("{epochs}, constant learning rate"),
        LrSchedule::AtEpochs { divide_by, at_epochs } => {
            let at: Vec<String> = at_epochs.iter().map(usize::to_string).collect();
            format!("{epochs}, learning rate divided by {divide_by} after epochs {}", at.join(", "))
        }
        LrSchedule::Plateau { divide_by, plateau: p } => format!(
            "at most {epochs}, learning rate divided by {divide_by} when the validation error has not improved for {}, {}",
            counted(p.patience, "epoch"),
            counted(p.times, "time")
        ),
        LrSchedule::Curve(curve) => {
            let shape = match curve {
                LrCurve::Linear { .. } => "falls linearly".to_owned(),
                LrCurve::Cosine { .. } => "falls along a cosine".to_owned(),
                LrCurve::Exponential { .. } => "falls exponentially".to_owned(),
                LrCurve::Staircase { levels, .. } => format!("falls exponentially in {levels} levels"),
            };
            format!("{epochs}, learning rate {shape} to {} times the initial one", curve.to())
        }
    }
}

/// Formats the differences from the paper.
fn differences(recipe: &Recipe) -> String {
    let mut out = String::new();
    if !recipe.differences.is_empty() {
        out += "\ndifferences from the paper\n";
    }
    out.extend(recipe.differences.iter().map(difference_text));
    out
}

/// Formats a difference as a list item: "- What. Why".
pub(super) fn difference_text(difference: &Difference) -> String {
    wrapped(&format!("{}. {}", difference.what.trim_end_matches('.'), difference.why), "- ", "  ")
}

/// Wraps text at 110 columns. The first line starts with `first`, the others with `rest`.
pub(super) fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.len() + 1 + word.len() > 110 {
            let _ = writeln!(out, "{line}");
            line = rest.to_string();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    let _ = writeln!(out, "{line}");
    out
}

/// Rounds to seven digits: alpha / 5 is shown as 0.00002 instead of 0.000020000000000000002.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}
