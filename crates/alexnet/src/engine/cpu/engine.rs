//! The CPU engine as an [`Engine`].

use alexnet_kernels::memory::recover;
use std::ops::Range;

use super::backward::Gradients;
use super::forward::{Dropout, Forward};
use super::parameters::Weights;
use super::state::CpuEngine;
use crate::engine::batch::{Batch, StepOutcome, Update};
use crate::engine::health::{Health, NonFinite, OutputStatistics};
use crate::engine::interface::{Engine, Objective, OnGradient};
use crate::engine::memory::MemoryTable;
use crate::engine::tensor::{self, Tensor, TensorKind};
use crate::engine::timings::LayerTimings;
use crate::error::Kind;
use crate::net::Network;
use crate::{Error, Result};

impl Engine for CpuEngine {
    fn network(&self) -> &Network {
        &self.network
    }

    fn batch(&self) -> usize {
        self.plan.batch
    }

    fn forward(&mut self, images: &[f32]) -> Result<&[f32]> {
        let n = self.count(images)?;
        let Self { network, plan, division, pool, parameters, activations, gathered_logits, timings, .. } =
            self;
        *timings = LayerTimings::start();
        let (image, classes) = (network.input.len(), network.classes);
        let work = || {
            for micro_batch in plan.inference_batches(n) {
                let Range { start, end } = micro_batch.range();
                let images = &images[start * image..end * image];
                let mut forward =
                    Forward { network, plan, division, parameters, activations, first: 0, timings };
                forward.run(micro_batch, images, Dropout::Test)?;
                if let Some(logits) = gathered_logits {
                    let found = &activations[plan.logits][..micro_batch.images() * classes];
                    logits[start * classes..end * classes].copy_from_slice(found);
                }
            }
            Ok::<(), Error>(())
        };
        recover(|| pool.install(work))??;
        let logits = match gathered_logits {
            Some(logits) => logits,
            None => &activations[plan.logits],
        };
        Ok(&logits[..n * classes])
    }

    fn activations(&mut self, images: &[f32], layers: &[&str]) -> Result<Vec<Tensor>> {
        self.observe(images, layers)
    }

    fn input_gradient(&mut self, images: &[f32], objective: Objective<'_>) -> Result<Vec<f32>> {
        self.pixel_gradient(images, objective)
    }

    fn forward_backward<'a>(
        &'a mut self,
        batch: &Batch<'_>,
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<StepOutcome> {
        self.train(batch, Gradients::Keep(on_gradient))
    }

    fn apply(&mut self, update: &Update) -> Result<()> {
        self.require_training()?;
        self.check_algorithm(update)?;
        self.apply_gradients(update);
        Ok(())
    }

    fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        self.check_algorithm(update)?;
        self.train(batch, Gradients::Apply(update))
    }

    fn freeze(&mut self, layer: usize, frozen: bool) -> Result<()> {
        self.require_training()?;
        let parameters = self.parameters.get_mut(layer).and_then(Option::as_mut);
        let Some(training) = parameters.and_then(|parameters| parameters.training.as_mut()) else {
            let message = format!("cannot freeze layer {layer}: no layer with weights at this position");
            return Err(Error::new(Kind::Runtime, message));
        };
        if training.frozen != frozen {
            training.frozen = frozen;
            training.velocity.fill(0.0);
            self.parameter_gradients[layer].iter_mut().for_each(|gradient| gradient.fill(0.0));
            self.lower_backward();
        }
        Ok(())
    }

    fn non_finite(&self) -> Result<Option<NonFinite>> {
        Ok(self.last.non_finite)
    }

    fn output_statistics(&self) -> Result<Vec<OutputStatistics>> {
        self.require_training()?;
        Ok(self.last_outputs())
    }

    fn health_of(&self, outputs: &[OutputStatistics]) -> Result<Vec<Health>> {
        self.require_training()?;
        Ok(self.measure_health(outputs))
    }

    fn timings(&self) -> &LayerTimings {
        &self.timings
    }

    fn tensor(&self, kind: TensorKind, name: &str) -> Result<Tensor> {
        self.read_tensor(kind, name)
    }

    fn set_tensor(&mut self, kind: TensorKind, tensor: &Tensor) -> Result<()> {
        tensor::check_one(&self.network, tensor)?;
        self.write_tensors(kind, std::slice::from_ref(tensor))
    }

    fn load(&mut self, parameters: &[Tensor]) -> Result<()> {
        tensor::check(&self.network, parameters)?;
        self.write_tensors(TensorKind::Parameters, parameters)
    }

    fn load_velocities(&mut self, velocities: &[Tensor]) -> Result<()> {
        self.require_training()?;
        tensor::check(&self.network, velocities)?;
        self.write_tensors(TensorKind::Velocities, velocities)
    }

    fn convert_fc_to_f16(&mut self) -> Result<()> {
        self.convert_fc()
    }

    fn memory(&self) -> MemoryTable {
        let mut table = self.plan.memory(&self.network);
        // Weights are converted to half precision after they have been planned in single precision.
        let halves = |weights: &Weights| match weights {
            Weights::F32(_) | Weights::Bf16(_) => 0,
            Weights::F16(values) => size_of_val(&values[..]),
        };
        let saved: usize = self.parameters.iter().flatten().map(|layer| halves(&layer.weights)).sum();
        if let Some((_, bytes)) = table.lines.first_mut() {
            *bytes -= saved;
        }
        table
    }
}
