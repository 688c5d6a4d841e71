//! Golden samples of ensembles: images with the weighted mean of the members' probabilities.

use super::member::Member;
use crate::data::Image;
use crate::engine::Engine;
use crate::engine::softmax::{add_softmax, check_finite};
use crate::model::golden::{Agreement, logits};
use crate::{Error, Result};

/// Sample images with the probabilities that an ensemble computes for their center views.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenMixture {
    /// The images, which each member preprocesses.
    pub images: Vec<Image>,
    /// The probabilities, `[images, classes]`.
    pub probabilities: Vec<f32>,
}

/// The weighted mean of the members' probabilities, while it is computed.
pub(super) struct Mixture {
    probabilities: Vec<f64>,
    classes: usize,
    /// The sum of all weights.
    total: f64,
}

impl Mixture {
    /// Starts the mean of the probabilities of `images` images.
    pub(super) fn new(members: &[Member], images: usize) -> Self {
        let classes = members.first().map_or(0, |member| member.model.classes().len());
        let total = members.iter().map(|member| member.weight).sum();
        Self { probabilities: vec![0.0; images * classes], classes, total }
    }

    /// Adds the probabilities of one member, which `engine` computes.
    pub(super) fn add(&mut self, member: &Member, engine: &mut dyn Engine, images: &[Image]) -> Result<()> {
        let preprocess = member.model.preprocess();
        let squares: Vec<Image> = images.iter().map(|image| preprocess.square(image)).collect();
        let batch = engine.batch();
        let forward = &mut |views: &[f32]| engine.forward(views).map(<[f32]>::to_vec);
        let logits = logits(batch, forward, preprocess, &squares)?;
        let weight = member.weight / self.total;
        let images = self.probabilities.chunks_exact_mut(self.classes);
        logits
            .chunks_exact(self.classes)
            .zip(images)
            .for_each(|(logits, sum)| add_softmax(logits, weight, sum));
        check_finite(&self.probabilities)
    }

    /// Returns the mean, `[images, classes]`.
    pub(super) fn finish(self) -> Vec<f32> {
        self.probabilities.into_iter().map(|probability| probability as f32).collect()
    }
}

impl GoldenMixture {
    /// Checks that the members, whose engines have been verified, and their weights give the probabilities in the file.
    pub(super) fn verify(&self, members: &[Member], engines: &mut [Box<dyn Engine>]) -> Result<()> {
        let mut mixture = Mixture::new(members, self.images.len());
        let mut agreement = Agreement::Exact;
        for (member, engine) in members.iter().zip(engines) {
            agreement = agreement.or_looser(member.model.agreement(&**engine));
            mixture.add(member, &mut **engine, &self.images)?;
        }
        let (classes, tolerance) = (mixture.classes, agreement.probability_tolerance());
        let now = mixture.finish();
        for (i, (now, then)) in now.chunks(classes).zip(self.probabilities.chunks(classes)).enumerate() {
            let differences = now.iter().zip(then).map(|(a, b)| f64::from((a - b).abs()));
            let largest = differences.fold(0.0, f64::max);
            if largest.is_nan() || largest >= tolerance {
                return Err(Error::model(format!(
                    "the probabilities of golden sample {} of {} differ from those in the file by {largest:.1e}, \
                     expected below {tolerance}",
                    i + 1,
                    self.images.len()
                ))
                .help("copy the file again; if that does not help, use the version of the program that saved it"));
            }
        }
        Ok(())
    }
}
