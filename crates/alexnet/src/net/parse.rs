//! Reading a recipe: every key known, every value in range, every part consistent with the others.

use std::ops::{Bound, Range, RangeInclusive};

use super::edit::{Change, Edit};
use super::reader::{Entry, Source, Table};
use super::recipe::{
    Augment, ConvSpec, Deviation, DropoutScale, Evaluation, Init, Input, LayerSpec, Mean, Optimizer,
    Orientation, Plateau, PoolSpec, Recipe, RoundingSpec, Schedule, Spec, WeightSpec,
};
use crate::{Error, Result};

/// Sides in pixels: squares, crops, kernels, strides. Large enough for any image, small enough that no
/// product of two overflows.
const SIDE: RangeInclusive<usize> = 1..=4096;
/// Maps, units, classes.
const WIDTH: RangeInclusive<usize> = 1..=1 << 20;
/// Passes over the training set.
const EPOCHS: RangeInclusive<usize> = 1..=100_000;
/// Numbers that may be zero: decays, factors of the rate.
const ZERO_OR_MORE: RangeInclusive<f64> = 0.0..=1e6;
/// Numbers that something is multiplied with or divided by.
const ABOVE_ZERO: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Included(1e6));
/// Shares: momentum, dropout.
const SHARE: Range<f64> = 0.0..1.0;

const RECIPE: &[&str] = &[
    "name",
    "summary",
    "source",
    "classes",
    "input",
    "augment",
    "optimizer",
    "schedule",
    "evaluation",
    "deviation",
    "edit",
    "layer",
];
const INPUT: &[&str] = &["square", "crop", "orientation", "mean", "divisor", "deviations"];
const MEAN: &[&str] = &["fixed"];
const AUGMENT: &[&str] = &["random_crop", "flip", "color_noise"];
const OPTIMIZER: &[&str] = &["batch", "rate", "momentum", "decay"];
const SCHEDULE: &[&str] = &["epochs", "divide_by", "at_epochs", "plateau"];
const PLATEAU: &[&str] = &["patience", "times"];
const EVALUATION: &[&str] = &["views"];
const CONV: &[&str] = &["name", "kind", "maps", "kernel", "stride", "pad", "groups", "rounding", "weights"];
const POOL: &[&str] = &["name", "kind", "kernel", "stride", "rounding"];
const FC: &[&str] = &["name", "kind", "units", "weights"];
const LRN: &[&str] = &["name", "kind", "size", "alpha", "beta", "k", "alpha_over_size", "groups"];
const MAP_NORM: &[&str] = &["name", "kind", "size", "alpha", "beta"];
const DROPOUT: &[&str] = &["name", "kind", "rate", "scale"];
const PLAIN: &[&str] = &["name", "kind"];
const WEIGHTS: &[&str] = &["init", "bias", "rate", "bias_rate", "decay"];
const INIT: &[&str] = &["normal"];

/// The keys that the table at `path` may have; `None` where there is no such table.
pub(super) fn keys(path: &[&str]) -> Option<&'static [&'static str]> {
    Some(match path {
        [] => RECIPE,
        ["input"] => INPUT,
        ["input", "mean"] => MEAN,
        ["augment"] => AUGMENT,
        ["optimizer"] => OPTIMIZER,
        ["schedule"] => SCHEDULE,
        ["schedule", "plateau"] => PLATEAU,
        ["evaluation"] => EVALUATION,
        _ => return None,
    })
}

/// As [`keys`], for the table at `path` in a layer of this kind.
pub(super) fn layer_keys(kind: &str, path: &[&str]) -> Option<&'static [&'static str]> {
    let (_, kind) = KINDS.iter().find(|(word, _)| *word == kind)?;
    let has_weights = matches!(kind, Kind::Conv | Kind::Local | Kind::Fc);
    match path {
        [] => Some(kind.keys()),
        ["weights"] if has_weights => Some(WEIGHTS),
        ["weights", "init"] if has_weights => Some(INIT),
        _ => None,
    }
}

/// Reads a whole recipe.
pub(super) fn recipe(source: &Source<'_>) -> Result<Recipe> {
    let document = source.parse()?;
    let root = Table::root(source, &document).only(RECIPE)?;
    let recipe = Recipe {
        name: root.get("name", "\"my-net\"")?.text()?,
        summary: root.get("summary", "\"one line\"")?.text()?,
        source: root.get("source", "\"where the numbers come from\"")?.text()?,
        classes: root.get("classes", "1000")?.integer(WIDTH)?,
        input: input(&root.table("input")?.only(INPUT)?)?,
        augment: augment(&root.table("augment")?.only(AUGMENT)?)?,
        optimizer: optimizer(&root.table("optimizer")?.only(OPTIMIZER)?)?,
        schedule: schedule(&root.table("schedule")?.only(SCHEDULE)?)?,
        evaluation: evaluation(&root.table("evaluation")?.only(EVALUATION)?)?,
        deviations: root.tables("deviation")?.into_iter().map(deviation).collect::<Result<_>>()?,
        edits: root.tables("edit")?.into_iter().map(edit).collect::<Result<_>>()?,
        layers: root.tables("layer")?.into_iter().map(layer).collect::<Result<_>>()?,
    };
    check_chain(source.origin, &recipe.layers)?;
    check_edits(source.origin, &recipe)?;
    Ok(recipe)
}

fn input(table: &Table<'_>) -> Result<Input> {
    let square = table.get("square", "256")?.integer(SIDE)?;
    let crop = table.get("crop", "224")?;
    let side = crop.integer(SIDE)?;
    if side > square {
        return Err(crop.refuse(
            format!("at most input.square, {square}: the crop is cut out of the square"),
            format!("write `crop = {square}` or a larger square"),
        ));
    }
    Ok(Input {
        square,
        crop: side,
        orientation: orientation(table)?,
        mean: mean(table.get("mean", "\"image\"")?)?,
        divisor: table.find("divisor").map_or(Ok(1.0), |e| e.single(ABOVE_ZERO, 1.0))?,
        deviations: table.find("deviations").map(|e| e.rgb(ABOVE_ZERO, 0.225)).transpose()?,
    })
}

fn orientation(table: &Table<'_>) -> Result<Orientation> {
    let words = [("exif", Orientation::Exif), ("stored", Orientation::Stored)];
    table.find("orientation").map_or(Ok(Orientation::Stored), |e| e.word(&words))
}

fn mean(entry: Entry<'_>) -> Result<Mean> {
    if entry.is_table() {
        let table = entry.table()?.only(MEAN)?;
        return Ok(Mean::Fixed(table.get("fixed", "[124, 116, 104]")?.rgb(0.0..=255.0, 120.0)?));
    }
    entry.word(&[("image", Mean::Image), ("channels", Mean::Channels)])
}

fn augment(table: &Table<'_>) -> Result<Augment> {
    Ok(Augment {
        random_crop: table.get("random_crop", "true")?.flag()?,
        flip: table.get("flip", "true")?.flag()?,
        color_noise: table.get("color_noise", "0.1")?.number(0.0..=100.0, 0.1)?,
    })
}

fn optimizer(table: &Table<'_>) -> Result<Optimizer> {
    Ok(Optimizer {
        batch: table.get("batch", "128")?.integer(1..=65536)?,
        rate: table.get("rate", "0.01")?.single(ABOVE_ZERO, 0.01)?,
        momentum: table.get("momentum", "0.9")?.single(SHARE, 0.9)?,
        decay: table.get("decay", "0.0005")?.single(ZERO_OR_MORE, 0.0005)?,
    })
}

fn schedule(table: &Table<'_>) -> Result<Schedule> {
    let epochs = table.get("epochs", "90")?.integer(EPOCHS)?;
    let divide_by = table.get("divide_by", "10.0")?.single(1.0..=1e6, 10.0)?;
    let mut at_epochs = Vec::new();
    if let Some(entry) = table.find("at_epochs") {
        at_epochs = entry.integers(1..=100_000)?;
        if !at_epochs.is_sorted_by(|a, b| a < b) {
            at_epochs.sort_unstable();
            at_epochs.dedup();
            return Err(entry.refuse("ascending epochs", format!("write `at_epochs = {at_epochs:?}`")));
        }
    }
    let plateau = table.find("plateau").map(plateau).transpose()?;
    if plateau.is_some()
        && !at_epochs.is_empty()
        && let Some(entry) = table.find("at_epochs")
    {
        return Err(entry.refuse(
            "nothing beside schedule.plateau: the rate is divided at fixed epochs or at plateaus, not both",
            "remove one of the two; on the command line, `--set schedule.plateau=none` or \
             `--set schedule.at_epochs=none`",
        ));
    }
    Ok(Schedule { epochs, divide_by, at_epochs, plateau })
}

fn plateau(entry: Entry<'_>) -> Result<Plateau> {
    let table = entry.table()?.only(PLATEAU)?;
    Ok(Plateau {
        patience: table.get("patience", "5")?.integer(1..=100_000)?,
        times: table.get("times", "3")?.integer(0..=100)?,
    })
}

fn evaluation(table: &Table<'_>) -> Result<Evaluation> {
    let entry = table.get("views", "10")?;
    match entry.integer(1..=10)? {
        views @ (1 | 10) => Ok(Evaluation { views }),
        _ => {
            Err(entry.refuse("1 (the center) or 10 (corners, center, and their flips)", "write `views = 10`"))
        }
    }
}

fn deviation(table: Table<'_>) -> Result<Deviation> {
    let table = table.only(&["what", "why"])?;
    Ok(Deviation { what: table.get("what", "\"...\"")?.text()?, why: table.get("why", "\"...\"")?.text()? })
}

fn edit(table: Table<'_>) -> Result<Edit> {
    let table = table.only(&["step", "rate", "freeze", "unfreeze", "color_noise", "stop_after"])?;
    let mut changes = Vec::new();
    for (key, entry) in ["rate", "freeze", "unfreeze", "color_noise", "stop_after"]
        .iter()
        .filter_map(|key| Some((*key, table.find(key)?)))
    {
        changes.push(match key {
            "rate" => Change::Rate(entry.single(ABOVE_ZERO, 0.001)?),
            "freeze" => Change::Freeze(entry.text()?),
            "unfreeze" => Change::Unfreeze(entry.text()?),
            "color_noise" => Change::ColorNoise(entry.number(0.0..=100.0, 0.1)?),
            _ => Change::StopAfter(entry.integer(EPOCHS)?),
        });
    }
    let step = table.get("step", "12000")?;
    match changes.pop() {
        Some(change) if changes.is_empty() => Ok(Edit { step: step.integer(0..=1 << 40)?, change }),
        _ => Err(step.refuse(
            "one change beside it: rate, freeze, unfreeze, color_noise or stop_after",
            "write an [[edit]] for each change",
        )),
    }
}

/// Edits come in the order of their steps, and name layers that learn.
fn check_edits(origin: &str, recipe: &Recipe) -> Result<()> {
    if let Some(pair) = recipe.edits.windows(2).find(|pair| pair[1].step < pair[0].step) {
        return Err(Error::usage(format!(
            "{origin}: an edit at step {} stands behind one at step {}",
            pair[1].step, pair[0].step
        ))
        .help("put the [[edit]] tables in the order of their steps"));
    }
    recipe.edits.iter().try_for_each(|edit| match &edit.change {
        Change::Freeze(name) | Change::Unfreeze(name) => {
            check_learns(&recipe.layers, name).map_err(|error| error.context(origin))
        }
        _ => Ok(()),
    })
}

/// Whether a layer of this name has weights.
pub(super) fn check_learns(layers: &[LayerSpec], name: &str) -> Result<()> {
    let learns = |layer: &&LayerSpec| layer.spec.weights().is_some();
    let names: Vec<&str> = layers.iter().filter(learns).map(|layer| layer.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(Error::usage(format!("no layer with weights is called `{name}`"))
        .help(format!("the layers with weights are {}", names.join(", "))))
}

/// What `kind` may say.
#[derive(Clone, Copy)]
enum Kind {
    Conv,
    Local,
    Fc,
    MaxPool,
    AvgPool,
    Lrn,
    MapNorm,
    Relu,
    Tanh,
    Logistic,
    Dropout,
}

impl Kind {
    /// The keys of a layer of this kind.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Conv | Self::Local => CONV,
            Self::Fc => FC,
            Self::MaxPool | Self::AvgPool => POOL,
            Self::Lrn => LRN,
            Self::MapNorm => MAP_NORM,
            Self::Relu | Self::Tanh | Self::Logistic => PLAIN,
            Self::Dropout => DROPOUT,
        }
    }
}

const KINDS: &[(&str, Kind)] = &[
    ("conv", Kind::Conv),
    ("local", Kind::Local),
    ("fc", Kind::Fc),
    ("max-pool", Kind::MaxPool),
    ("avg-pool", Kind::AvgPool),
    ("lrn", Kind::Lrn),
    ("map-norm", Kind::MapNorm),
    ("relu", Kind::Relu),
    ("tanh", Kind::Tanh),
    ("logistic", Kind::Logistic),
    ("dropout", Kind::Dropout),
];

fn layer(table: Table<'_>) -> Result<LayerSpec> {
    let entry = table.get("name", "\"conv1\"")?;
    let name = entry.text()?;
    // Names become tensor names, `conv1.weight`, and keys of `--set`: no dots.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(entry.refuse("a name of letters, digits, - and _", "write `name = \"conv1\"`"));
    }
    let table = table.called(format!("layer.{name}"));
    let kind = table.get("kind", "\"conv\"")?.word(KINDS)?;
    let spec = match kind {
        Kind::Conv => Spec::Conv(conv(table)?),
        Kind::Local => Spec::Local(conv(table)?),
        Kind::Fc => {
            let table = table.only(FC)?;
            Spec::Fc {
                units: table.find("units").map(|e| e.integer(WIDTH)).transpose()?,
                weights: weights(&table)?,
            }
        }
        Kind::MaxPool => Spec::MaxPool(pool(table)?),
        Kind::AvgPool => Spec::AvgPool(pool(table)?),
        Kind::Lrn => {
            let table = table.only(LRN)?;
            Spec::Lrn {
                size: table.get("size", "5")?.integer(SIDE)?,
                alpha: table.get("alpha", "1e-4")?.number(ZERO_OR_MORE, 1e-4)?,
                beta: table.get("beta", "0.75")?.number(0.0..=100.0, 0.75)?,
                k: table.get("k", "2.0")?.number(ABOVE_ZERO, 2.0)?,
                alpha_over_size: table.get("alpha_over_size", "false")?.flag()?,
                groups: table.find("groups").map_or(Ok(1), |e| e.integer(WIDTH))?,
            }
        }
        Kind::MapNorm => {
            let table = table.only(MAP_NORM)?;
            Spec::MapNorm {
                size: table.get("size", "5")?.integer(SIDE)?,
                alpha: table.get("alpha", "1e-3")?.number(ZERO_OR_MORE, 1e-3)?,
                beta: table.get("beta", "0.75")?.number(0.0..=100.0, 0.75)?,
            }
        }
        Kind::Relu => table.only(PLAIN).map(|_| Spec::Relu {})?,
        Kind::Tanh => table.only(PLAIN).map(|_| Spec::Tanh {})?,
        Kind::Logistic => table.only(PLAIN).map(|_| Spec::Logistic {})?,
        Kind::Dropout => {
            let table = table.only(DROPOUT)?;
            let scales = [("test", DropoutScale::Test), ("train", DropoutScale::Train)];
            Spec::Dropout {
                rate: table.get("rate", "0.5")?.single(SHARE, 0.5)?,
                scale: table.get("scale", "\"test\"")?.word(&scales)?,
            }
        }
    };
    Ok(LayerSpec { name, spec })
}

fn conv(table: Table<'_>) -> Result<ConvSpec> {
    let table = table.only(CONV)?;
    Ok(ConvSpec {
        maps: table.get("maps", "96")?.integer(WIDTH)?,
        kernel: table.get("kernel", "3")?.integer(SIDE)?,
        stride: table.find("stride").map_or(Ok(1), |e| e.integer(SIDE))?,
        pad: table.find("pad").map_or(Ok(0), |e| e.integer(0..=4096))?,
        groups: table.find("groups").map_or(Ok(1), |e| e.integer(WIDTH))?,
        rounding: rounding(&table)?,
        weights: weights(&table)?,
    })
}

fn pool(table: Table<'_>) -> Result<PoolSpec> {
    let table = table.only(POOL)?;
    Ok(PoolSpec {
        kernel: table.get("kernel", "3")?.integer(SIDE)?,
        stride: table.get("stride", "2")?.integer(SIDE)?,
        rounding: rounding(&table)?,
    })
}

fn rounding(table: &Table<'_>) -> Result<RoundingSpec> {
    let words = [("down", RoundingSpec::Down), ("up", RoundingSpec::Up)];
    table.find("rounding").map_or(Ok(RoundingSpec::Down), |e| e.word(&words))
}

fn weights(table: &Table<'_>) -> Result<WeightSpec> {
    let default = WeightSpec::default();
    let Some(entry) = table.find("weights") else { return Ok(default) };
    let table = entry.table()?.only(WEIGHTS)?;
    let init = table.find("init").map_or(Ok(default.init), init)?;
    let mut bias = default.bias;
    if let Some(entry) = table.find("bias") {
        bias = entry.single(-1e3..=1e3, 0.0)?;
        if init == Init::FanIn && bias != 0.0 {
            return Err(entry.refuse(
                "none beside `init = \"fan-in\"`, which draws the biases too",
                "remove `bias`, or write `init = \"he\"`",
            ));
        }
    }
    Ok(WeightSpec {
        init,
        bias,
        rate: table.find("rate").map_or(Ok(default.rate), |e| e.single(ZERO_OR_MORE, 1.0))?,
        bias_rate: table.find("bias_rate").map_or(Ok(default.bias_rate), |e| e.single(ZERO_OR_MORE, 1.0))?,
        decay: table.find("decay").map(|e| e.single(ZERO_OR_MORE, 0.0005)).transpose()?,
    })
}

fn init(entry: Entry<'_>) -> Result<Init> {
    if entry.is_table() {
        let table = entry.table()?.only(INIT)?;
        return Ok(Init::Normal(table.get("normal", "0.01")?.number(0.0..=1e3, 0.01)?));
    }
    entry.word(&[("he", Init::He), ("fan-in", Init::FanIn)]).map_err(|error| {
        error.help("write `init = \"he\"`, `init = \"fan-in\"` or `init = { normal = 0.01 }`")
    })
}

/// Names are unique, and the last layer is the one fully connected layer without units: its outputs are the
/// classes.
fn check_chain(origin: &str, layers: &[LayerSpec]) -> Result<()> {
    let refuse = |message: String, help: String| Err(Error::usage(format!("{origin}: {message}")).help(help));
    for (i, layer) in layers.iter().enumerate() {
        if layers[..i].iter().any(|other| other.name == layer.name) {
            return refuse(
                format!("two layers are called `{}`, expected a name for each", layer.name),
                format!("rename one of them, `name = \"{}b\"`", layer.name),
            );
        }
        let head = matches!(layer.spec, Spec::Fc { units: None, .. });
        let last = i + 1 == layers.len();
        if head && !last {
            return refuse(
                format!(
                    "`layer.{}.units` is missing: only the last layer takes it from the classes",
                    layer.name
                ),
                format!("write `units = 4096` in layer {}, or make it the last layer", layer.name),
            );
        }
        if last && !head {
            return refuse(
                format!(
                    "the last layer is `{}`, expected a fully connected layer without `units`: the classes",
                    layer.name
                ),
                "end with `[[layer]]`, `name = \"fc8\"`, `kind = \"fc\"`".to_string(),
            );
        }
    }
    if layers.is_empty() || layers.len() > 1000 {
        return refuse(
            format!("{} layers, expected 1 to 1000", layers.len()),
            "add `[[layer]]` tables, first to last; `alexnet recipe show paper` shows them".to_string(),
        );
    }
    Ok(())
}
