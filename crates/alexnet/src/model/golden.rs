//! Golden samples: images with their logits, which verify that a model computes the same on another machine.

use crate::data::{Image, Preprocess, View};
use crate::engine::Engine;
use crate::net::Precision;
use crate::{Error, Result};

/// How closely an engine's logits must agree with those in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Every bit: all sums are integers.
    Exact,
    /// Up to another order of sums in f32, which causes about 1e-6; a wrong mean, crop or channel order causes 1e-2 and more.
    Rounding,
    /// Up to another order of sums in f32 whose results are rounded to bytes, some of which then differ by 1.
    Bytes,
    /// Up to products of bfloat16 operands, which change logits by a few hundredths.
    Bfloat16,
}

impl Agreement {
    /// The agreement of logits that were recorded and are computed with products of these operands.
    pub(super) fn of(recorded: Precision, now: Precision) -> Self {
        match (recorded, now) {
            (Precision::F32, Precision::F32) => Self::Rounding,
            (Precision::Bf16, _) | (_, Precision::Bf16) => Self::Bfloat16,
        }
    }

    /// Whether a relative root mean square difference of logits is accepted.
    fn accepts(self, difference: f64) -> bool {
        match self {
            Self::Exact => difference == 0.0,
            Self::Rounding | Self::Bytes | Self::Bfloat16 => difference < self.tolerance(),
        }
    }

    /// The least strict of two agreements.
    pub(super) fn or_looser(self, other: Self) -> Self {
        if other.tolerance() > self.tolerance() { other } else { self }
    }

    /// How much a class probability may differ. Softmax amplifies differences of logits.
    pub(super) fn probability_tolerance(self) -> f64 {
        match self {
            Self::Exact | Self::Rounding => 1e-3,
            Self::Bytes => 5e-2,
            Self::Bfloat16 => 0.25,
        }
    }

    fn tolerance(self) -> f64 {
        match self {
            Self::Exact => 0.0,
            Self::Rounding => 1e-3,
            Self::Bytes => 2e-2,
            Self::Bfloat16 => 0.15,
        }
    }
}

/// Sample images with the logits of their center views.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// The images, as squares.
    pub images: Vec<Image>,
    /// The logits of their center views, `[images, classes]`.
    pub logits: Vec<f32>,
}

impl Golden {
    /// Computes the logits of these squares with `engine`.
    ///
    /// # Errors
    /// See [`Engine::forward`].
    pub fn record(engine: &mut dyn Engine, preprocess: &Preprocess, images: Vec<Image>) -> Result<Self> {
        let batch = engine.batch();
        Self::record_with(batch, &mut |views| engine.forward(views).map(<[f32]>::to_vec), preprocess, images)
    }

    /// Computes the logits of these squares, up to `batch` at a time, with a function from views to logits.
    ///
    /// # Errors
    /// Returns the errors of the function.
    pub(crate) fn record_with(
        batch: usize,
        forward: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>>,
        preprocess: &Preprocess,
        images: Vec<Image>,
    ) -> Result<Self> {
        let logits = logits(batch, forward, preprocess, &images)?;
        Ok(Self { images, logits })
    }

    /// Returns how much other logits of the images differ: the root mean square of the difference, relative to that of `others`.
    pub fn relative_rms(&self, others: &[f32]) -> f64 {
        relative_difference(&self.logits, others)
    }

    pub(super) fn verify(
        &self,
        engine: &mut dyn Engine,
        preprocess: &Preprocess,
        agreement: Agreement,
    ) -> Result<()> {
        let (batch, classes) = (engine.batch(), engine.network().classes);
        let forward = &mut |views: &[f32]| engine.forward(views).map(<[f32]>::to_vec);
        let now = logits(batch, forward, preprocess, &self.images)?;
        for (i, (now, then)) in now.chunks(classes).zip(self.logits.chunks(classes)).enumerate() {
            let difference = relative_difference(now, then);
            if !agreement.accepts(difference) {
                let expected = match agreement {
                    Agreement::Exact => "expected the same bits".to_owned(),
                    Agreement::Rounding | Agreement::Bytes | Agreement::Bfloat16 => {
                        format!("expected below {}", agreement.tolerance())
                    }
                };
                return Err(Error::model(format!(
                    "the logits of golden sample {} of {} differ from those in the file: relative difference \
                     {difference:.1e}, {expected}",
                    i + 1,
                    self.images.len()
                ))
                .help("copy the file again; if that does not help, use the version of the program that saved it"));
            }
        }
        Ok(())
    }

    /// Checks that there are images of `square` x `square` pixels, each with one logit per class.
    pub(super) fn check(&self, square: usize, classes: usize) -> Result<()> {
        let refuse = |message: String| Err(Error::model(format!("golden samples: {message}")));
        if self.images.is_empty() {
            return refuse("no images, expected at least 1".into());
        }
        if let Some(other) = self.images.iter().find(|p| (p.width, p.height) != (square, square)) {
            return refuse(format!(
                "an image has {} x {} pixels, expected {square} x {square}",
                other.width, other.height
            ));
        }
        if self.logits.len() != self.images.len() * classes {
            return refuse(format!(
                "{} logits for {} images of {classes} classes",
                self.logits.len(),
                self.images.len()
            ));
        }
        Ok(())
    }
}

/// Computes the logits of the center views of squares.
pub(super) fn logits(
    batch: usize,
    forward: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>>,
    preprocess: &Preprocess,
    images: &[Image],
) -> Result<Vec<f32>> {
    let center = View::center(preprocess.square, preprocess.crop);
    let len = preprocess.view_len();
    let mut out = Vec::new();
    for images in images.chunks(batch.max(1)) {
        let mut views = vec![0.0; images.len() * len];
        for (image, view) in images.iter().zip(views.chunks_exact_mut(len)) {
            preprocess.view(image, center, [0.0; 3], view);
        }
        out.extend_from_slice(&forward(&views)?);
    }
    Ok(out)
}

/// Returns the root mean square of the difference divided by that of `then`, or 0 if both are zero.
fn relative_difference(now: &[f32], then: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let difference: f64 = now.iter().zip(then).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let size: f64 = then.iter().map(|&b| square(f64::from(b))).sum();
    if difference == 0.0 { 0.0 } else { (difference / size).sqrt() }
}
