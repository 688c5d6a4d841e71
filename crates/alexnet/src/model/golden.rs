//! Sample pictures with their logits. A model that gives them other logits elsewhere is not the same model there.

use crate::data::{Picture, Preprocess, View};
use crate::engine::Engine;
use crate::{Error, Result};

/// Largest relative root mean square difference of logits that counts as the same numbers. Orders of summation give
/// some 1e-6; another mean, crop or order of colours gives 1e-2 and more.
const TOLERANCE: f64 = 1e-3;

/// Sample pictures, as squares, with the logits of their centre views.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Squares, as the preprocessing cuts them.
    pub pictures: Vec<Picture>,
    /// Logits of their centre views, `[pictures, classes]`.
    pub logits: Vec<f32>,
}

impl Golden {
    /// The logits that `engine` gives to these squares now.
    ///
    /// # Errors
    /// As [`Engine::forward`].
    pub fn record(engine: &mut dyn Engine, preprocess: &Preprocess, pictures: Vec<Picture>) -> Result<Self> {
        let logits = logits(engine, preprocess, &pictures)?;
        Ok(Self { pictures, logits })
    }

    pub(super) fn verify(&self, engine: &mut dyn Engine, preprocess: &Preprocess) -> Result<()> {
        let now = logits(engine, preprocess, &self.pictures)?;
        let classes = engine.network().classes;
        for (i, (now, then)) in now.chunks(classes).zip(self.logits.chunks(classes)).enumerate() {
            let difference = relative_difference(now, then);
            if difference.is_nan() || difference >= TOLERANCE {
                return Err(Error::model(format!(
                    "golden picture {} of {} gets other logits here than where the model was saved: relative \
                     difference {difference:.1e}, expected below {TOLERANCE:.0e}: this machine computes other numbers",
                    i + 1,
                    self.pictures.len()
                ))
                .help("copy the file again; if that changes nothing, use the version of the program that saved it"));
            }
        }
        Ok(())
    }

    /// Whether there are squares of side `square`, each with a logit per class.
    pub(super) fn check(&self, square: usize, classes: usize) -> Result<()> {
        let refuse = |message: String| Err(Error::model(format!("golden samples: {message}")));
        if self.pictures.is_empty() {
            return refuse("no pictures, expected at least 1".into());
        }
        if let Some(other) = self.pictures.iter().find(|p| (p.width, p.height) != (square, square)) {
            return refuse(format!(
                "a picture of {} x {}, expected {square} x {square}",
                other.width, other.height
            ));
        }
        if self.logits.len() != self.pictures.len() * classes {
            return refuse(format!(
                "{} logits for {} pictures of {classes} classes",
                self.logits.len(),
                self.pictures.len()
            ));
        }
        Ok(())
    }
}

/// Logits of the centre views, as many pictures at once as the engine takes.
fn logits(engine: &mut dyn Engine, preprocess: &Preprocess, pictures: &[Picture]) -> Result<Vec<f32>> {
    let centre = View::centre(preprocess.square, preprocess.crop);
    let len = preprocess.view_len();
    let mut out = Vec::new();
    for pictures in pictures.chunks(engine.batch().max(1)) {
        let mut images = vec![0.0; pictures.len() * len];
        for (picture, image) in pictures.iter().zip(images.chunks_exact_mut(len)) {
            preprocess.view(picture, centre, [0.0; 3], image);
        }
        out.extend_from_slice(engine.forward(&images)?);
    }
    Ok(out)
}

/// Root mean square of the difference over that of `then`; 0 when both are zero.
fn relative_difference(now: &[f32], then: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let difference: f64 = now.iter().zip(then).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let size: f64 = then.iter().map(|&b| square(f64::from(b))).sum();
    if difference == 0.0 { 0.0 } else { (difference / size).sqrt() }
}
