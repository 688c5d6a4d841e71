//! The keys that each table of a recipe may have.

pub(super) const RECIPE: &[&str] = &[
    "name",
    "summary",
    "source",
    "classes",
    "precision",
    "input",
    "augment",
    "optimizer",
    "schedule",
    "evaluation",
    "deviation",
    "edit",
    "layer",
];
pub(super) const INPUT: &[&str] = &["square", "crop", "orientation", "mean", "divisor", "deviations"];
pub(super) const MEAN: &[&str] = &["fixed"];
pub(super) const AUGMENT: &[&str] = &["random_crop", "flip", "color_noise"];
pub(super) const OPTIMIZER: &[&str] =
    &["algorithm", "trust", "batch", "rate", "rate_for_batch", "momentum", "decay"];
pub(super) const SCHEDULE: &[&str] = &[
    "epochs",
    "warm_up_epochs",
    "divide_by",
    "at_epochs",
    "plateau",
    "linear",
    "cosine",
    "exponential",
    "staircase",
];
pub(super) const PLATEAU: &[&str] = &["patience", "times"];
pub(super) const CURVE: &[&str] = &["to"];
pub(super) const STAIRCASE: &[&str] = &["to", "levels"];
pub(super) const EVALUATION: &[&str] = &["views"];
pub(super) const CONV: &[&str] =
    &["name", "kind", "maps", "kernel", "stride", "pad", "groups", "rounding", "weights"];
pub(super) const POOL: &[&str] = &["name", "kind", "kernel", "stride", "pad", "rounding"];
pub(super) const FC: &[&str] = &["name", "kind", "units", "weights"];
pub(super) const LRN: &[&str] = &["name", "kind", "size", "alpha", "beta", "k", "alpha_over_size", "groups"];
pub(super) const MAP_NORM: &[&str] = &["name", "kind", "size", "alpha", "beta"];
pub(super) const DROPOUT: &[&str] = &["name", "kind", "rate", "scale"];
pub(super) const PLAIN: &[&str] = &["name", "kind"];
pub(super) const WEIGHTS: &[&str] = &["init", "bias", "rate", "bias_rate", "decay"];
pub(super) const INIT: &[&str] = &["normal"];

/// Returns the keys that the table at `path` may have, or `None` if there is no such table.
pub(in crate::net) fn keys(path: &[&str]) -> Option<&'static [&'static str]> {
    Some(match path {
        [] => RECIPE,
        ["input"] => INPUT,
        ["input", "mean"] => MEAN,
        ["augment"] => AUGMENT,
        ["optimizer"] => OPTIMIZER,
        ["schedule"] => SCHEDULE,
        ["schedule", "plateau"] => PLATEAU,
        ["schedule", "linear" | "cosine" | "exponential"] => CURVE,
        ["schedule", "staircase"] => STAIRCASE,
        ["evaluation"] => EVALUATION,
        _ => return None,
    })
}

/// Returns the keys that the table at `path` in a layer of this kind may have.
pub(in crate::net) fn layer_keys(kind: &str, path: &[&str]) -> Option<&'static [&'static str]> {
    let (_, kind) = LAYER_KINDS.iter().find(|(word, _)| *word == kind)?;
    let has_weights = kind.keys().contains(&"weights");
    match path {
        [] => Some(kind.keys()),
        ["weights"] if has_weights => Some(WEIGHTS),
        ["weights", "init"] if has_weights => Some(INIT),
        _ => None,
    }
}

/// The kinds of layers.
#[derive(Clone, Copy)]
pub(super) enum LayerKind {
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

impl LayerKind {
    /// Returns the keys of a layer of this kind.
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

/// The kinds of layers by the names that recipes use.
pub(super) const LAYER_KINDS: &[(&str, LayerKind)] = &[
    ("conv", LayerKind::Conv),
    ("local", LayerKind::Local),
    ("fc", LayerKind::Fc),
    ("max-pool", LayerKind::MaxPool),
    ("avg-pool", LayerKind::AvgPool),
    ("lrn", LayerKind::Lrn),
    ("map-norm", LayerKind::MapNorm),
    ("relu", LayerKind::Relu),
    ("tanh", LayerKind::Tanh),
    ("logistic", LayerKind::Logistic),
    ("dropout", LayerKind::Dropout),
];
