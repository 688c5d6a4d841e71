//! The recipe: a whole experiment as data. The types only; `parse` reads them from TOML and checks every value.

use serde::{Deserialize, Serialize};

use super::edit::Edit;

/// A whole experiment as data: `recipes/*.toml`, or a file of the user's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Short name; the file's name without `.toml`.
    pub name: String,
    /// One line: what this is.
    pub summary: String,
    /// Where its numbers come from.
    pub source: String,
    /// Classes of the head when no data says otherwise.
    pub classes: usize,
    /// What the network sees of an image.
    pub input: Input,
    /// What is done to an image in training only.
    pub augment: Augment,
    /// Stochastic gradient descent.
    pub optimizer: Optimizer,
    /// How the rate changes, and when training ends.
    pub schedule: Schedule,
    /// How the trained network is judged.
    pub evaluation: Evaluation,
    /// The deviations card: where this recipe differs from the paper, and why.
    #[serde(rename = "deviation")]
    pub deviations: Vec<Deviation>,
    /// Changes at certain steps: what was done by hand in a training that is to be repeated.
    #[serde(rename = "edit", skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The layers, first to last. The last fully connected layer has no `units`: the data's classes decide.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerSpec>,
}

/// One line of the deviations card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// What differs from the paper.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What the network sees of an image: a square of it, then a crop of the square, centered by a mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// The short side is resized to this many pixels, and the center square taken (paper, section 2: 256).
    pub square: usize,
    /// Side of the crop of the square that enters the network (224).
    pub crop: usize,
    /// Which way up an image is before its square is cut. Left out of the TOML where images stay as stored, so that
    /// recipes written before this key existed keep both their meaning and their text.
    #[serde(skip_serializing_if = "Orientation::is_stored")]
    pub orientation: Orientation,
    /// What is subtracted from the 0..255 pixels.
    pub mean: Mean,
    /// What the centered pixels are divided by: 1 keeps the paper's 0..255 scale, 255 gives 0..1.
    pub divisor: f32,
    /// Red, green and blue deviations to divide by after `divisor`, in units of the divided pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviations: Option<[f32; 3]>,
}

/// Which way up an image is: cameras store the sensor's rows and note in EXIF how the camera was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// The pixels as they are stored.
    #[default]
    Stored,
    /// Rotated and mirrored as the file's EXIF orientation says. ImageNet's archives are never rotated: all published
    /// results are for the pixels as stored.
    Exif,
}

impl Orientation {
    /// Whether pixels stay as they are stored.
    pub fn is_stored(&self) -> bool {
        *self == Self::Stored
    }

    /// The word for it in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Exif => "exif",
        }
    }
}

/// What is subtracted from the pixels, measured on the training set unless given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The training set's mean image, pixel by pixel (paper, section 2).
    Image,
    /// The training set's mean red, green and blue.
    Channels,
    /// These red, green and blue values, on the 0..255 scale.
    Fixed([f32; 3]),
}

/// What is done to an image in training only (paper, section 4.1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Augment {
    /// A random crop of the square instead of the center one.
    pub random_crop: bool,
    /// A horizontal flip for every second image on average.
    pub flip: bool,
    /// Standard deviation of the color noise along each eigenvector of the training pixels' covariance, in units
    /// of the pixels' own deviation along it (the square root of the eigenvalue); 0 switches it off.
    pub color_noise: f64,
}

/// Stochastic gradient descent with momentum and weight decay (paper, section 5):
/// `v <- momentum v - decay rate w - rate gradient; w <- w + v`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Optimizer {
    /// Images per step.
    pub batch: usize,
    /// The first learning rate.
    pub rate: f32,
    /// Share of the last step's change that goes on.
    pub momentum: f32,
    /// Weight decay; a layer may have its own. Biases never decay.
    pub decay: f32,
}

/// How the learning rate changes, and when training ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// Passes over the training set.
    pub epochs: usize,
    /// What the rate is divided by.
    pub divide_by: f32,
    /// Epochs after which the rate is divided, counted from 1. Empty with `plateau` set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_epochs: Vec<usize>,
    /// Divide when the validation error stops improving, instead of at fixed epochs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau: Option<Plateau>,
}

/// Divide the rate when the validation error stops improving (paper, section 5: by hand).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plateau {
    /// Epochs without a new best before the rate is divided.
    pub patience: usize,
    /// How often the rate is divided; after the last, training ends when patience runs out again.
    pub times: usize,
}

/// How the trained network is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// Views averaged per image: 1 (center) or 10 (corners, center, and their flips).
    pub views: usize,
}

/// One layer of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSpec {
    /// Its name, unique in the network: `conv1`, `pool5`, `fc8`.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub spec: Spec,
}

/// What a layer does, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Spec {
    /// A convolution.
    Conv(ConvSpec),
    /// A convolution whose kernels are not shared between positions (cuda-convnet's `local`).
    Local(ConvSpec),
    /// A fully connected layer.
    Fc {
        /// Outputs; absent in the head, which has one per class.
        #[serde(skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        /// Initial values, rates and decay.
        weights: WeightSpec,
    },
    /// Max pooling.
    MaxPool(PoolSpec),
    /// Average pooling, over the pixels inside the map.
    AvgPool(PoolSpec),
    /// Local response normalization across maps (paper, section 3.3).
    Lrn {
        /// Maps in the sum.
        size: usize,
        /// Factor of the sum of squares.
        alpha: f64,
        /// Exponent.
        beta: f64,
        /// Additive constant.
        k: f64,
        /// Whether alpha is divided by `size`, as the programs do and the paper's formula does not.
        alpha_over_size: bool,
        /// Columns the window does not cross.
        groups: usize,
    },
    /// Response normalization within each map (cuda-convnet's `rnorm`), alpha divided by the window's pixels.
    MapNorm {
        /// Side of the window in the sum.
        size: usize,
        /// Factor of the mean of squares.
        alpha: f64,
        /// Exponent.
        beta: f64,
    },
    /// max(0, x).
    Relu {},
    /// The hyperbolic tangent.
    Tanh {},
    /// 1 / (1 + exp(-x)).
    Logistic {},
    /// Each unit is silenced with probability `rate` in training.
    Dropout {
        /// Share of units silenced.
        rate: f32,
        /// Where the scale is made up for.
        scale: DropoutScale,
    },
}

/// The connections of a convolution or a locally connected layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConvSpec {
    /// Output channels, all groups together.
    pub maps: usize,
    /// Side of the kernels.
    pub kernel: usize,
    /// Step between positions.
    pub stride: usize,
    /// Zeros on every side.
    pub pad: usize,
    /// Groups that do not see each other: the paper's columns.
    pub groups: usize,
    /// Whether a last, partly covered position counts.
    pub rounding: RoundingSpec,
    /// Initial values, rates and decay.
    pub weights: WeightSpec,
}

/// The window of a pooling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolSpec {
    /// Side of the window.
    pub kernel: usize,
    /// Step between windows; smaller than the kernel: overlapping (paper, section 3.4).
    pub stride: usize,
    /// Whether a last, partly covered window counts.
    pub rounding: RoundingSpec,
}

/// Where dropout makes up for the silenced units; the function computed at test time is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropoutScale {
    /// Outputs are multiplied by `1 - rate` at test time (paper, section 4.2).
    Test,
    /// Kept outputs are divided by `1 - rate` in training (Caffe, PyTorch).
    Train,
}

/// Which pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest.
    Max,
    /// The mean.
    Average,
}

/// Whether a last, partly covered window counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoundingSpec {
    /// It does not.
    #[default]
    Down,
    /// It does.
    Up,
}

/// Initial values, rates and decay of a layer with weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightSpec {
    /// Distribution of the initial weights.
    pub init: Init,
    /// Initial value of the biases.
    pub bias: f32,
    /// Factor of the learning rate for the weights.
    pub rate: f32,
    /// Factor of the learning rate for the biases.
    pub bias_rate: f32,
    /// The layer's own weight decay, instead of the optimizer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f32>,
}

impl Spec {
    /// Initial values, rates and decay of a layer that has weights.
    pub fn weights(&self) -> Option<&WeightSpec> {
        match self {
            Self::Conv(conv) | Self::Local(conv) => Some(&conv.weights),
            Self::Fc { weights, .. } => Some(weights),
            _ => None,
        }
    }
}

impl WeightSpec {
    /// Whether the layer learns nothing: both its rates are zero.
    pub fn is_frozen(&self) -> bool {
        self.rate == 0.0 && self.bias_rate == 0.0
    }
}

impl Default for WeightSpec {
    fn default() -> Self {
        Self { init: Init::Normal(0.01), bias: 0.0, rate: 1.0, bias_rate: 1.0, decay: None }
    }
}

/// Distribution of initial weights, mean zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Normal with this standard deviation (paper, section 5: 0.01).
    Normal(f64),
    /// Normal with standard deviation `sqrt(2 / fan_in)` (He et al. 2015).
    He,
    /// Uniform in `+-1 / sqrt(fan_in)`, weights and biases: what PyTorch does when nothing is said.
    FanIn,
}
