//! The values of a network's tensors for the calibration images.

use std::sync::Arc;

use alexnet_kernels::int8::Algorithm;

use super::histogram::Histogram;
use crate::data::loader::TrainingEpoch;
use crate::data::{ColorBasis, LoadedBatch, Loader, Preprocess, Share, Skip, Split};
use crate::engine::{Engine, Tensor};
use crate::net::{Activation, Augment, Network, Operation};
use crate::{Error, Result};

/// Images that convolutions are compared on.
const SAMPLE: usize = 16;

/// What is known of a network's tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Calibration {
    /// The preprocessed images.
    pub(super) images: Histogram,
    /// Each layer's output; empty for a layer that a ReLU follows at once, whose own values are not needed.
    pub(super) outputs: Vec<Histogram>,
    /// The inputs of each convolution that an algorithm of Winograd's fits, for the first images.
    pub(super) inputs: Vec<Option<Vec<f32>>>,
    /// The first images, preprocessed.
    pub(super) sample: Vec<f32>,
    /// The number of images.
    pub(super) count: usize,
    /// Images that could not be decoded.
    pub(super) skipped: Vec<Skip>,
}

/// The images for calibration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Images<'a> {
    pub(super) split: &'a Split,
    pub(super) preprocess: &'a Arc<Preprocess>,
    /// The largest number of images; they are chosen at random, the same ones each time.
    pub(super) limit: usize,
    pub(super) workers: usize,
}

impl Images<'_> {
    fn loader(self, batch_size: usize) -> Loader {
        let Self { split, preprocess, workers, .. } = self;
        let usable: Vec<usize> = (0..split.len()).collect();
        let augment = &Augment { random_crop: false, flip: false, color_noise: 0.0 };
        let basis = &ColorBasis { vectors: [[0.0; 3]; 3], deviations: [0.0; 3] };
        let (seed, epoch, first_batch, share) = (0, 0, 0, Share::WHOLE);
        let usable = &usable;
        Loader::training(
            &TrainingEpoch {
                split,
                usable,
                preprocess,
                augment,
                basis,
                seed,
                epoch,
                batch_size,
                first_batch,
                share,
            },
            workers,
        )
    }
}

impl Calibration {
    /// Runs the f32 engine over the center views of the images. `on_batch` receives the number of images so far.
    ///
    /// # Errors
    /// Returns an error if no image can be decoded, an activation is not finite, or the engine or `on_batch` fails.
    pub(super) fn measure(
        engine: &mut dyn Engine,
        images: Images<'_>,
        on_batch: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let network = engine.network().clone();
        let mut calibration =
            Self { outputs: vec![Histogram::default(); network.layers.len()], ..Self::default() };
        let mut loader = images.loader(engine.batch());
        while calibration.count < images.limit
            && let Some(batch) = loader.next()
        {
            let mut batch = batch?;
            calibration.skipped.append(&mut batch.skipped);
            let n = batch.labels.len().min(images.limit - calibration.count);
            let views = &batch.images[..n * network.input.len()];
            if n > 0 {
                calibration.add(engine, &network, views)?;
                calibration.count += n;
                on_batch(calibration.count)?;
            }
            loader.recycle(LoadedBatch { images: batch.images, ..LoadedBatch::default() });
        }
        match calibration.count {
            0 => Err(calibration.no_images(images.split)),
            _ => calibration.check(&network).map(|()| calibration),
        }
    }

    fn add(&mut self, engine: &mut dyn Engine, network: &Network, views: &[f32]) -> Result<()> {
        self.images.add(views);
        if self.count == 0 {
            self.sample = views[..views.len().min(SAMPLE * network.input.len())].to_vec();
            self.inputs = inputs(engine, network, &self.sample)?;
        }
        let observed: Vec<usize> = (0..network.layers.len()).filter(|&at| is_observed(network, at)).collect();
        let names: Vec<&str> = observed.iter().map(|&at| network.layers[at].name.as_str()).collect();
        for (at, Tensor { data, .. }) in observed.iter().zip(engine.activations(views, &names)?) {
            self.outputs[*at].add(&data);
        }
        Ok(())
    }

    fn no_images(&self, split: &Split) -> Error {
        let help = "`--calibrate SRC`: a source with images like those that the model will classify";
        match self.skipped.first() {
            Some(Skip { file, reason }) => Error::data(format!(
                "none of the {} images for calibration can be decoded: {file}: {reason}",
                split.len()
            )),
            None => Error::data(format!("no images for calibration: split `{}` is empty", split.name)),
        }
        .help(help)
    }

    fn check(&self, network: &Network) -> Result<()> {
        let layers = network.layers.iter().zip(&self.outputs);
        let mut bad = layers.filter(|(_, values)| values.non_finite() > 0);
        match bad.next() {
            None => Ok(()),
            Some((layer, values)) => Err(Error::model(format!(
                "layer `{}` has {} non-finite outputs for the calibration images, expected finite values",
                layer.name,
                values.non_finite()
            ))
            .help(
                "use the other model of its run, RUN/best.safetensors or RUN/last.safetensors, or train again with a lower \
                 learning rate",
            )),
        }
    }
}

/// Whether the range of a layer's output may be needed.
fn is_observed(network: &Network, at: usize) -> bool {
    let next = network.layers.get(at + 1).map(|next| &next.operation);
    match (&network.layers[at].operation, next) {
        (Operation::Conv(..) | Operation::Fc(..), Some(Operation::Activation(Activation::Relu))) => false,
        (
            Operation::Conv(..)
            | Operation::Local(..)
            | Operation::Fc(..)
            | Operation::Pool(..)
            | Operation::Lrn(_)
            | Operation::MapNorm(_)
            | Operation::Activation(_)
            | Operation::Dropout { .. },
            _,
        ) => true,
    }
}

/// The inputs of each convolution that an algorithm of Winograd's fits.
fn inputs(engine: &mut dyn Engine, network: &Network, images: &[f32]) -> Result<Vec<Option<Vec<f32>>>> {
    let fits = |operation: &Operation| match operation {
        Operation::Conv(g, _) => Algorithm::ALL.iter().any(|algorithm| algorithm.fits(g)),
        Operation::Local(..)
        | Operation::Fc(..)
        | Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => false,
    };
    let mut inputs = Vec::with_capacity(network.layers.len());
    for (at, layer) in network.layers.iter().enumerate() {
        inputs.push(match (fits(&layer.operation), at) {
            (false, _) => None,
            (true, 0) => Some(images.to_vec()),
            (true, _) => {
                let before = network.layers[at - 1].name.as_str();
                engine.activations(images, &[before])?.pop().map(|tensor| tensor.data)
            }
        });
    }
    Ok(inputs)
}
