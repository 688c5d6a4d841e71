//! The engine of a rank that computes convolutions for its own images, and a part of the fully connected layers for those of
//! all ranks.

use alexnet_kernels::loss;

use super::collective::Collective;
use super::job::FcExchange;
use super::split::NetworkSplit;
use super::split_division::division;
use super::split_round::{Found, OwnImages, Step, gather, rows};
use super::split_rounds as rounds;
use crate::engine::leaves;
use crate::engine::{
    self, Batch, Device, Division, Engine, Health, LayerGradient, LayerTimings, MemoryTable, NonFinite,
    Objective, OnGradient, Options, OutputStatistics, Place, Stage, StageBatch, StagePart, StepOutcome,
    Tensor, TensorKind, UnitSums, Update,
};
use crate::net::Network;
use crate::{Error, Result};

/// Two engines: the layers below the first fully connected one, and the others.
#[derive(Debug)]
pub(super) struct HybridEngine {
    split: NetworkSplit,
    exchange: FcExchange,
    leaves: usize,
    /// Whole layers, for the images of this rank.
    lower: Box<dyn Stage>,
    /// A part of the units of each layer, for the images of a round.
    upper: Box<dyn Stage>,
    activations: Collective,
    control: Collective,
    /// Logits of the own images.
    logits: Vec<f32>,
    timings: LayerTimings,
    /// Whether the loss of the last step was finite, over all ranks.
    is_finite: bool,
}

impl HybridEngine {
    /// Opens both engines.
    ///
    /// # Errors
    /// Returns an error if the network starts with a fully connected layer, or an engine cannot be opened.
    pub(super) fn open(
        device: Device,
        split: NetworkSplit,
        exchange: FcExchange,
        (activations, control): (Collective, Collective),
        options: &Options,
    ) -> Result<Self> {
        let (first, ranks) = (split.first_divided(), split.grid().columns());
        let whole = split.whole();
        let Some(last) = first.checked_sub(1).map(|last| &whole.layers[last]) else {
            return Err(Error::usage("the hybrid scheme needs layers before the first fully connected one")
                .help("use the data scheme"));
        };
        if !options.leaves.is_multiple_of(ranks) {
            let message = format!("{} leaves for {ranks} processes, expected a multiple", options.leaves);
            return Err(Error::usage(message).help(format!("{ranks} leaves")));
        }
        let share = options.batch.div_ceil(ranks);
        if let Some(micro_batch) = options.micro_batch.filter(|&micro_batch| micro_batch < share) {
            let message = format!(
                "a micro-batch of {micro_batch} images in a hybrid job, expected whole shares, {share}"
            );
            return Err(Error::usage(message).help("omit --micro-batch, or use the data scheme"));
        }
        let below = Network { classes: last.output.len(), layers: whole.layers[..first].to_vec(), ..*whole };
        let above = Network {
            input: last.output,
            classes: whole.classes,
            layers: split.local().layers[first..].to_vec(),
        };
        let count = options.leaves / ranks;
        let sums = UnitSums { first: split.grid().column() * count, count, whole: options.leaves };
        let of_round = Options {
            batch: rounds::largest(exchange, ranks, options.batch),
            leaves: rounds::count(exchange, ranks),
            micro_batch: None,
            ..*options
        };
        let undivided = Division::none(&below);
        let lower = engine::open_stage(device, below, undivided, options)?;
        let division = division(&split, &activations, first, sums)?;
        let upper = engine::open_stage(device, above, division, &of_round)?;
        Ok(Self {
            split,
            exchange,
            leaves: options.leaves,
            lower,
            upper,
            activations,
            control,
            logits: Vec::new(),
            timings: LayerTimings::start(),
            is_finite: true,
        })
    }

    /// The engine of a layer, and the layer's position in it.
    fn stage(&mut self, layer: usize) -> (&mut dyn Stage, usize) {
        match layer.checked_sub(self.split.first_divided()) {
            None => (self.lower.as_mut(), layer),
            Some(position) => (self.upper.as_mut(), position),
        }
    }

    fn merge_timings(&mut self) {
        self.timings = LayerTimings::start();
        self.timings.append(self.lower.timings(), 0);
        self.timings.append(self.upper.timings(), self.split.first_divided());
    }

    /// The number of tensors of the lower engine, which come first.
    fn lower_tensors(&self) -> usize {
        2 * self.lower.network().layers.iter().filter(|layer| layer.weights().is_some()).count()
    }

    fn check(&self, batch: &Batch<'_>) -> Result<()> {
        let (n, classes) = (batch.labels.len(), self.split.whole().classes);
        if batch.keys.len() != n || batch.images.len() != n * self.split.whole().input.len() {
            let found = format!("{} values, {n} labels and {} keys", batch.images.len(), batch.keys.len());
            return Err(Error::shape("batch", found, "one image, label and key each"));
        }
        match batch.labels.iter().find(|&&label| label as usize >= classes) {
            Some(label) => Err(Error::data(format!("label {label}, expected 0 to {}", classes - 1))),
            None => Ok(()),
        }
    }
}

/// The loss of a shard, summed over its leaves.
fn outcome(logits: &[f32], batch: &Batch<'_>, classes: usize, leaves: usize) -> Result<StepOutcome> {
    let (n, global) = (batch.labels.len(), batch.shard.global);
    let leaves = leaves::of(batch.shard, n, leaves)?;
    let loss = |leaf: &std::ops::Range<usize>| {
        let (logits, labels) = (&logits[rows(leaf, classes)], &batch.labels[leaf.clone()]);
        let (mut gradient, mut sum) = (vec![0.0; logits.len()], 0.0);
        loss::accumulate_softmax_loss(logits, labels, global, classes, &mut gradient, &mut sum);
        sum
    };
    let sums: Vec<f64> = leaves.iter().map(loss).collect();
    let correct = engine::count_correct(logits, batch.labels, classes);
    Ok(StepOutcome { loss: leaves::mean_loss(&sums, global), correct })
}

impl Engine for HybridEngine {
    fn network(&self) -> &Network {
        self.split.local()
    }

    fn batch(&self) -> usize {
        self.lower.batch()
    }

    fn forward(&mut self, images: &[f32]) -> Result<&[f32]> {
        let Self { split, exchange, lower, upper, activations, control, logits, .. } = self;
        let (values, classes) = (lower.network().classes, split.whole().classes);
        let own = images.len() / split.whole().input.len();
        let counts: Vec<usize> = control.all_gather_values(&own)?;
        let features = if images.is_empty() { &[] } else { lower.forward(images)? };
        logits.resize(own * classes, 0.0);
        for round in rounds::rounds(*exchange, &counts) {
            let inputs = gather(activations, &round, features, values)?;
            if !inputs.is_empty() {
                let found = upper.forward(&inputs)?;
                let part = rounds::parts(&round, classes)[activations.index()].clone();
                logits[rows(&round[activations.index()], classes)].copy_from_slice(&found[part]);
            }
        }
        self.merge_timings();
        Ok(&self.logits)
    }

    fn activations(&mut self, _: &[f32], _: &[&str]) -> Result<Vec<Tensor>> {
        Err(Error::usage("the activations of layers are not collected from several processes")
            .help("use one process"))
    }

    fn input_gradient(&mut self, _: &[f32], _: Objective<'_>) -> Result<Vec<f32>> {
        Err(Error::usage("the gradients of pixels are not computed by several processes")
            .help("use one process"))
    }

    fn forward_backward<'a>(
        &'a mut self,
        batch: &Batch<'_>,
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<StepOutcome> {
        self.check(batch)?;
        let Self { split, exchange, leaves, lower, upper, activations, control, logits, is_finite, .. } =
            self;
        let all: Vec<OwnImages> = control.all_gather_values(&(batch.labels.to_vec(), batch.keys.to_vec()))?;
        let counts: Vec<usize> = all.iter().map(|(labels, _)| labels.len()).collect();
        let rounds = rounds::rounds(*exchange, &counts);
        let (values, classes) = (lower.network().classes, split.whole().classes);
        let own = StageBatch { inputs: batch.images, keys: batch.keys, part: StagePart::Shard(batch.shard) };
        let features = lower.forward_training(&own)?;
        let (mut gradient, mut total) = (vec![0.0; features.len()], 0.0);
        logits.resize(batch.labels.len() * classes, 0.0);
        let step =
            Step { group: activations, all: &all, features, values, classes, global: batch.shard.global };
        let mut found = Found { logits, gradient: &mut gradient, total: &mut total };
        let part = |index| StagePart::Round { index, count: rounds.len() };
        // Gradients are final after the last round.
        let last = rounds.len() - 1;
        for (index, round) in rounds[..last].iter().enumerate() {
            step.run(upper.as_mut(), (round, part(index)), &mut found, &mut |_| Ok(()))?;
        }
        let first = split.first_divided();
        let mut of_upper = |gradient: LayerGradient<'a>| {
            on_gradient(LayerGradient { layer: first + gradient.layer, ..gradient })
        };
        step.run(upper.as_mut(), (&rounds[last], part(last)), &mut found, &mut of_upper)?;
        *is_finite = total.is_finite();
        if !*is_finite {
            lower.find_non_finite();
        }
        lower.backward_training(&own, &gradient, &mut [], on_gradient)?;
        outcome(logits, batch, classes, *leaves)
    }

    fn apply(&mut self, update: &Update) -> Result<()> {
        self.upper.apply(update)?;
        self.lower.apply(update)?;
        self.merge_timings();
        Ok(())
    }

    fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        let outcome = self.forward_backward(batch, &mut |_| Ok(()))?;
        if self.is_finite {
            self.apply(update)?;
        }
        Ok(outcome)
    }

    fn freeze(&mut self, layer: usize, frozen: bool) -> Result<()> {
        let (stage, position) = self.stage(layer);
        stage.freeze(position, frozen)
    }

    fn non_finite(&self) -> Result<Option<NonFinite>> {
        let first = self.split.first_divided();
        let above = self.upper.non_finite()?.map(|found| NonFinite { layer: first + found.layer, ..found });
        let loss = NonFinite { layer: self.network().layers.len() - 1, place: Place::Loss };
        Ok(self.lower.non_finite()?.or(above).or((!self.is_finite).then_some(loss)))
    }

    fn output_statistics(&self) -> Result<Vec<OutputStatistics>> {
        Ok([self.lower.output_statistics()?, self.upper.output_statistics()?].concat())
    }

    fn health_of(&self, outputs: &[OutputStatistics]) -> Result<Vec<Health>> {
        let (below, above) = outputs.split_at(self.split.first_divided().min(outputs.len()));
        Ok([self.lower.health_of(below)?, self.upper.health_of(above)?].concat())
    }

    fn timings(&self) -> &LayerTimings {
        &self.timings
    }

    fn tensor(&self, kind: TensorKind, name: &str) -> Result<Tensor> {
        let (layer, _) = engine::locate_tensor(self.network(), name)?;
        match layer < self.split.first_divided() {
            true => self.lower.tensor(kind, name),
            false => self.upper.tensor(kind, name),
        }
    }

    fn set_tensor(&mut self, kind: TensorKind, tensor: &Tensor) -> Result<()> {
        let (layer, _) = engine::locate_tensor(self.network(), &tensor.name)?;
        self.stage(layer).0.set_tensor(kind, tensor)
    }

    fn load(&mut self, parameters: &[Tensor]) -> Result<()> {
        engine::check_tensors(self.network(), parameters)?;
        let (below, above) = parameters.split_at(self.lower_tensors());
        self.lower.load(below)?;
        self.upper.load(above)
    }

    fn load_velocities(&mut self, velocities: &[Tensor]) -> Result<()> {
        engine::check_tensors(self.network(), velocities)?;
        let (below, above) = velocities.split_at(self.lower_tensors());
        self.lower.load_velocities(below)?;
        self.upper.load_velocities(above)
    }

    fn convert_fc_to_f16(&mut self) -> Result<()> {
        self.upper.convert_fc_to_f16()
    }

    fn memory(&self) -> MemoryTable {
        let of = |name: &str, table: MemoryTable| {
            let lines = table.lines.into_iter();
            lines.map(|(line, bytes)| (format!("{name}: {line}"), bytes)).collect::<Vec<_>>()
        };
        let below = of("convolutions", self.lower.memory());
        MemoryTable { lines: [below, of("fully connected", self.upper.memory())].concat() }
    }
}
