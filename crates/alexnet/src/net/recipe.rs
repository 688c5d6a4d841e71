//! The recipe: a whole experiment as data. These are the types; `parse` reads and checks them.

use serde::{Deserialize, Serialize, Serializer};

use super::edit::Edit;
use super::schedule::Schedule;
use super::views::Views;
use crate::format::decimal;
use alexnet_kernels::precision::Precision;

/// A whole experiment as data: a file in `recipes/`, or the user's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// A short name: the file name without `.toml`.
    pub name: String,
    /// A one-line description.
    pub summary: String,
    /// Where the numbers come from.
    pub source: String,
    /// The number of classes when no data determines it.
    pub classes: usize,
    /// The format of the operands of products, in training and inference. Omitted from the TOML for single precision.
    #[serde(skip_serializing_if = "is_f32", serialize_with = "name_of")]
    pub precision: Precision,
    /// How an image becomes the input of the network.
    pub input: Input,
    /// Random changes to images in training.
    pub augment: Augment,
    /// How gradients change the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes, and when training ends.
    pub schedule: Schedule,
    /// How the trained network is evaluated.
    pub evaluation: EvaluationSpec,
    /// How this recipe differs from the paper, and why.
    #[serde(rename = "deviation")]
    pub differences: Vec<Difference>,
    /// Changes to make at given steps, for repeating a training run that was changed by hand.
    #[serde(rename = "edit", skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The layers, first to last. The last one is fully connected and has no `units`: it has one output per class.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerSpec>,
}

impl Recipe {
    /// The name as that of a file or a folder: names are free text, and those of imported networks their authors'.
    pub fn file_name(&self) -> String {
        let safe = |c: char| if c.is_control() || r#"/\:*?"<>|"#.contains(c) { '-' } else { c };
        let name: String = self.name.chars().map(safe).collect();
        let name = name.trim_start_matches('.').trim();
        let name = &name[..name.floor_char_boundary(MAX_FILE_NAME)];
        if name.is_empty() { "recipe".to_owned() } else { name.to_owned() }
    }
}

/// Bytes of a [`Recipe::file_name`], to which a number can be added: file systems allow 255 bytes in total.
const MAX_FILE_NAME: usize = 100;

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn name_of<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(precision.name())
}

/// One difference from the paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs.
    pub what: String,
    /// Why.
    pub why: String,
}

/// How an image becomes the input of the network: resized to a square, cropped, and normalized.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// The short side is resized to this many pixels, and the center square is cut out (256; paper, section 2).
    pub square: usize,
    /// The side of the crop that enters the network, in pixels (224).
    pub crop: usize,
    /// Whether images are rotated as their EXIF orientation says. Omitted from the TOML for stored orientation, so that
    /// recipes from before this key existed keep their meaning and their text.
    #[serde(skip_serializing_if = "Orientation::is_stored")]
    pub orientation: Orientation,
    /// The mean to subtract from pixels of 0 to 255.
    pub mean: Mean,
    /// The number to divide centered pixels by: 1 keeps the range of 0 to 255, as in the paper.
    pub divisor: f32,
    /// The standard deviations of red, green and blue to divide by, after `divisor`.
    #[serde(rename = "deviations", skip_serializing_if = "Option::is_none")]
    pub std: Option<[f32; 3]>,
}

/// Whether images are rotated: cameras store the rows of the sensor, and note in EXIF how the camera was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// Pixels are used as stored.
    #[default]
    Stored,
    /// Images are rotated and mirrored as the EXIF orientation says, except those in ImageNet's archives: all published
    /// results are for pixels as stored.
    Exif,
}

impl Orientation {
    /// Returns whether pixels are used as stored.
    pub fn is_stored(&self) -> bool {
        *self == Self::Stored
    }

    /// Returns the name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Exif => "exif",
        }
    }
}

/// The mean to subtract from pixels, computed from the training set unless given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The mean image of the training set (paper, section 2).
    Image,
    /// The mean color of the training set.
    Channels,
    /// This red, green and blue, from 0 to 255.
    Fixed([f32; 3]),
}

/// Random changes to images in training (paper, section 4.1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Augment {
    /// Whether crops are random instead of centered.
    pub random_crop: bool,
    /// Whether half of the images are flipped horizontally, at random.
    pub flip: bool,
    /// The standard deviation of the color noise along each principal component of the training pixels, relative to the
    /// standard deviation of the pixels along it (the square root of the eigenvalue). 0 disables it.
    pub color_noise: f64,
}

/// Stochastic gradient descent with momentum and weight decay (paper, section 5):
/// `v <- momentum v - decay rate w - rate gradient; w <- w + v`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Optimizer {
    /// How the learning rate of each layer is determined.
    #[serde(flatten, skip_serializing_if = "Algorithm::is_sgd")]
    pub algorithm: Algorithm,
    /// The number of images per step.
    pub batch: usize,
    /// The initial learning rate, for batches of [`Optimizer::rate_for_batch`] images if that is set.
    pub rate: f32,
    /// The batch size that `rate` is meant for: the learning rate in effect is `rate * batch / rate_for_batch` (Goyal et
    /// al. 2017, "Accurate, Large Minibatch SGD", section 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_for_batch: Option<usize>,
    /// The factor of the previous update.
    pub momentum: f32,
    /// The weight decay; a layer may have its own. Biases do not decay.
    pub decay: f32,
}

impl Optimizer {
    /// Returns the initial learning rate in effect, scaled to the batch. The factor is applied in double precision to the
    /// decimal that names `rate`: 0.01 for 128 images is 0.08 for 1024.
    pub fn scaled_rate(&self) -> f32 {
        match self.rate_for_batch {
            None => self.rate,
            Some(images) => (decimal(self.rate) * self.batch as f64 / images as f64) as f32,
        }
    }

    /// Returns the value of `rate` for which `lr` is in effect: the inverse of [`Optimizer::scaled_rate`].
    pub fn unscaled_rate(&self, lr: f32) -> f32 {
        match self.rate_for_batch {
            None => lr,
            Some(images) => (decimal(lr) * images as f64 / self.batch as f64) as f32,
        }
    }
}

/// How the learning rate of each layer is determined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "kebab-case")]
pub enum Algorithm {
    /// Stochastic gradient descent: all layers have the same, apart from the factors of the recipe.
    #[default]
    Sgd,
    /// Layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017, "Large Batch Training of Convolutional Networks"): the
    /// learning rate of a layer's weights is multiplied by `trust * ||w|| / (||gradient|| + decay ||w||)`, or by 1 if the
    /// weights or the gradient are zero. Biases have the common learning rate.
    Lars {
        /// The size of an update relative to the weights, at a learning rate of 1 (0.001 in the publication).
        trust: f32,
    },
}

impl Algorithm {
    /// Returns whether this is stochastic gradient descent.
    pub fn is_sgd(&self) -> bool {
        matches!(self, Self::Sgd)
    }

    /// Returns the name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Lars { .. } => "lars",
        }
    }
}

/// How the trained network is evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationSpec {
    /// The views averaged per image.
    pub views: Views,
}

/// A layer of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSpec {
    /// The name, unique in the network: `conv1`, `pool5`, `fc8`.
    pub name: String,
    /// The kind of layer and its settings.
    #[serde(flatten)]
    pub spec: Spec,
}

/// The kind of a layer and its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Spec {
    /// A convolution.
    Conv(ConvSpec),
    /// A locally connected layer: a convolution with separate kernels for each position (`local` in cuda-convnet).
    Local(ConvSpec),
    /// A fully connected layer.
    Fc {
        /// The number of outputs; absent in the last layer, which has one per class.
        #[serde(skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        /// Initialization, learning rate factors and weight decay.
        weights: WeightSpec,
    },
    /// Max pooling.
    MaxPool(PoolSpec),
    /// Average pooling; padding is not counted.
    AvgPool(PoolSpec),
    /// Local response normalization across channels (paper, section 3.3).
    Lrn {
        /// The number of channels in the sum.
        size: usize,
        /// The factor of the sum of squares.
        alpha: f64,
        /// The exponent.
        beta: f64,
        /// The additive constant.
        k: f64,
        /// Whether alpha is divided by `size`, as in cuda-convnet and Caffe, unlike the formula of the paper.
        alpha_over_size: bool,
        /// The number of groups of channels that are normalized separately.
        groups: usize,
    },
    /// Response normalization within each channel (`rnorm` in cuda-convnet); alpha is divided by the window's area.
    MapNorm {
        /// The side of the window.
        size: usize,
        /// The factor of the mean square.
        alpha: f64,
        /// The exponent.
        beta: f64,
    },
    /// max(0, x).
    Relu {},
    /// The hyperbolic tangent.
    Tanh {},
    /// 1 / (1 + exp(-x)).
    Logistic {},
    /// Dropout.
    Dropout {
        /// The probability of dropping a unit in training.
        rate: f32,
        /// Where outputs are rescaled.
        scale: DropoutScale,
    },
}

/// The settings of a convolution or a locally connected layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConvSpec {
    /// The number of output channels of all groups.
    pub maps: usize,
    /// The side of the kernels.
    pub kernel: usize,
    /// The distance between positions.
    pub stride: usize,
    /// The width of the zero padding on each side.
    pub pad: usize,
    /// The number of groups, which are not connected to each other: the columns of the paper.
    pub groups: usize,
    /// Whether a last, partial window is used.
    pub rounding: RoundingSpec,
    /// Initialization, learning rate factors and weight decay.
    pub weights: WeightSpec,
}

/// The settings of a pooling layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolSpec {
    /// The side of the window.
    pub kernel: usize,
    /// The distance between windows. Windows overlap if it is smaller than the kernel (paper, section 3.4).
    pub stride: usize,
    /// How far the first window starts outside of the map; pixels outside are ignored. Omitted from the TOML if 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub pad: usize,
    /// Whether a last, partial window is used.
    pub rounding: RoundingSpec,
}

/// Where dropout rescales outputs. The function computed in inference is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropoutScale {
    /// Outputs are multiplied by `1 - rate` in inference (paper, section 4.2).
    Test,
    /// Outputs that are kept are divided by `1 - rate` in training (Caffe, PyTorch).
    Train,
}

/// The kind of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The maximum.
    Max,
    /// The mean.
    Average,
}

/// Whether a last, partial window is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoundingSpec {
    /// The number of windows is rounded down: it is not.
    #[default]
    Down,
    /// The number of windows is rounded up: it is.
    Up,
}

/// Initialization, learning rate factors and weight decay of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightSpec {
    /// The distribution of the initial weights.
    pub init: Init,
    /// The initial value of the biases.
    pub bias: f32,
    /// The learning rate factor of the weights.
    pub rate: f32,
    /// The learning rate factor of the biases.
    pub bias_rate: f32,
    /// The weight decay of this layer, instead of that of the optimizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f32>,
}

impl Spec {
    /// Returns the initialization, learning rate factors and weight decay, if the layer has weights.
    pub fn weights(&self) -> Option<&WeightSpec> {
        match self {
            Self::Conv(conv) | Self::Local(conv) => Some(&conv.weights),
            Self::Fc { weights, .. } => Some(weights),
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::Lrn { .. }
            | Self::MapNorm { .. }
            | Self::Relu {}
            | Self::Tanh {}
            | Self::Logistic {}
            | Self::Dropout { .. } => None,
        }
    }
}

impl WeightSpec {
    /// Returns whether the parameters are frozen: both learning rate factors are zero.
    pub fn is_frozen(&self) -> bool {
        self.rate == 0.0 && self.bias_rate == 0.0
    }
}

impl Default for WeightSpec {
    fn default() -> Self {
        Self { init: Init::Normal(0.01), bias: 0.0, rate: 1.0, bias_rate: 1.0, decay: None }
    }
}

/// The distribution of initial weights, with mean zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Normal, with this standard deviation (0.01; paper, section 5).
    Normal(f64),
    /// Normal, with standard deviation `sqrt(2 / fan_in)` (He et al. 2015).
    He,
    /// Uniform in `+-1 / sqrt(fan_in)`, for weights and biases: the default of PyTorch.
    FanIn,
}
