//! Taps: the activations of single layers, and gradients with respect to the pixels.

use std::ops::Range;

use super::backward::Backward;
use super::forward::{Dropout, Forward};
use super::state::CpuEngine;
use crate::engine::interface::Objective;
use crate::engine::options::Mode;
use crate::engine::tensor::Tensor;
use crate::engine::timings::LayerTimings;
use crate::error::Kind;
use crate::{Error, Result};
use alexnet_kernels::loss;
use alexnet_kernels::memory::recover;

impl CpuEngine {
    /// The outputs of the named layers, in the order of the names.
    pub(super) fn observe(&mut self, images: &[f32], layers: &[&str]) -> Result<Vec<Tensor>> {
        let n = self.count(images)?;
        let positions =
            layers.iter().map(|name| self.network.layer_position(name)).collect::<Result<Vec<_>>>()?;
        let mut tensors: Vec<Tensor> = positions
            .iter()
            .map(|&position| {
                let layer = &self.network.layers[position];
                let (maps, name) = (layer.output, layer.name.clone());
                let shape = vec![n, maps.height, maps.width, maps.channels];
                Tensor { name, shape, data: Vec::with_capacity(n * maps.len()) }
            })
            .collect();
        let Self { network, plan, division, pool, parameters, activations, timings, .. } = self;
        *timings = LayerTimings::start();
        let image = network.input.len();
        let work = || {
            for micro_batch in plan.inference_batches(n) {
                let Range { start, end } = micro_batch.range();
                let images = &images[start * image..end * image];
                let mut forward =
                    Forward { network, plan, division, parameters, activations, first: 0, timings };
                forward.run_observed(micro_batch, images, &mut |layer, values| {
                    for (_, tensor) in positions.iter().zip(&mut tensors).filter(|(at, _)| **at == layer) {
                        tensor.data.extend_from_slice(values);
                    }
                })?;
            }
            Ok::<(), Error>(())
        };
        recover(|| pool.install(work))??;
        Ok(tensors)
    }

    /// The gradient of each image's objective with respect to its pixels.
    pub(super) fn pixel_gradient(&mut self, images: &[f32], objective: Objective<'_>) -> Result<Vec<f32>> {
        match self.plan.mode {
            Mode::Training | Mode::Inspection => {}
            Mode::Inference => {
                let message = "this engine was opened for inference, which keeps no activations";
                return Err(Error::new(Kind::Runtime, message).help("open it with Mode::Inspection"));
            }
        }
        if self.division.is_divided() {
            return Err(Error::usage("the gradients of pixels are not computed by several processes")
                .help("use one process"));
        }
        let (n, classes) = (self.count(images)?, self.network.classes);
        let (Objective::Logits(chosen) | Objective::Loss(chosen)) = objective;
        if chosen.len() != n {
            return Err(Error::shape("classes", chosen.len(), format!("{n}, one per image")));
        }
        if let Some(class) = chosen.iter().find(|&&class| class as usize >= classes) {
            return Err(Error::usage(format!("class {class}, expected 0 to {}", classes - 1)));
        }
        let Self {
            network, plan, division, backward, pool, parameters, activations, gradients, timings, ..
        } = self;
        *timings = LayerTimings::start();
        let image = network.input.len();
        let mut pixels = vec![0.0; images.len()];
        let work = || {
            for micro_batch in plan.inference_batches(n) {
                let Range { start, end } = micro_batch.range();
                let values = start * image..end * image;
                let chosen = &chosen[start..end];
                Forward { network, plan, division, parameters, activations, first: 0, timings }.run(
                    micro_batch,
                    &images[values.clone()],
                    Dropout::Test,
                )?;
                let len = chosen.len() * classes;
                let (logits, gradient) = (&activations[plan.logits][..len], &mut gradients[0][..len]);
                match objective {
                    Objective::Logits(_) => {
                        gradient.fill(0.0);
                        for (row, &class) in gradient.chunks_exact_mut(classes).zip(chosen) {
                            row[class as usize] = 1.0;
                        }
                    }
                    Objective::Loss(_) => {
                        loss::accumulate_softmax_loss(logits, chosen, 1, classes, gradient, &mut 0.0);
                    }
                }
                timings.resume();
                let mut backward = Backward {
                    network,
                    division,
                    steps: &backward.pixels,
                    parameters,
                    parameter_gradients: &mut [],
                    activations,
                    first: 0,
                    gradients,
                    timings,
                };
                backward.pixels(micro_batch, &images[values.clone()], &mut pixels[values])?;
            }
            Ok::<(), Error>(())
        };
        recover(|| pool.install(work))??;
        Ok(pixels)
    }
}
