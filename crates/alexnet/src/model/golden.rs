//! Golden samples: images with their logits, which verify that a model computes the same on another machine.

use crate::data::{Image, Preprocess, View};
use crate::engine::Engine;
use crate::net::Precision;
use crate::{Error, Result};

/// The largest relative root mean square difference of logits that is accepted. Another order of summation causes about
/// 1e-6; a wrong mean, crop or channel order causes 1e-2 and more. With bfloat16 operands, either when the samples were
/// recorded or now, logits differ by a few hundredths.
const fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-3,
        Precision::Bf16 => 0.15,
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

    /// Verifies samples that were recorded with products of `recorded`.
    pub(super) fn verify(
        &self,
        engine: &mut dyn Engine,
        preprocess: &Preprocess,
        recorded: Precision,
    ) -> Result<()> {
        let (batch, classes) = (engine.batch(), engine.network().classes);
        let tolerance = tolerance(recorded).max(tolerance(engine.network().precision()));
        let forward = &mut |views: &[f32]| engine.forward(views).map(<[f32]>::to_vec);
        let now = logits(batch, forward, preprocess, &self.images)?;
        for (i, (now, then)) in now.chunks(classes).zip(self.logits.chunks(classes)).enumerate() {
            let difference = relative_difference(now, then);
            if difference.is_nan() || difference >= tolerance {
                return Err(Error::model(format!(
                    "the logits of golden sample {} of {} differ from those in the file: relative difference \
                     {difference:.1e}, expected below {tolerance:.0e}",
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

/// Computes the logits of the center views.
fn logits(
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
