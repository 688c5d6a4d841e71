//! The engine of a session, on all ranks of its job.

use std::sync::Arc;

use super::command::{Command, Load, Prepared};
use super::introduction::Introduction;
use super::member::Member;
use super::shares::Shares;
use super::team::Team;
use crate::data::{Image, LoadedBatch, Preprocess, Share, Split};
use crate::engine::{
    Batch, Device, Health, LayerTimings, MemoryTable, NonFinite, Shard, StepOutcome, Tensor, TensorKind,
    Update,
};
use crate::error::Kind;
use crate::eval::Evaluation;
use crate::model::Golden;
use crate::net::{Algorithm, Network, Recipe, Views};
use crate::parallel::traffic::SentBytes;
use crate::parallel::{self, NetworkSplit};
use crate::train::config::{Config, RunFolder};
use crate::train::origin::{Origin, key_layers};
use crate::train::training_images::TrainingImages;
use crate::{Error, Result};

/// The engine of a session. Whatever changes the network happens on all ranks of the job; with one process, this is its engine
/// and nothing else.
#[derive(Debug)]
pub(in crate::train) struct JobEngine {
    network: Network,
    member: Member,
    team: Team,
}

/// Whether a step keeps its gradients, which layer statistics need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::train) enum Keep {
    Gradients,
    Nothing,
}

impl JobEngine {
    /// Opens the engine of rank 0, and checks that the other ranks train the same.
    ///
    /// # Errors
    /// Returns an error if the ranks cannot share the training, a rank differs, or the engine cannot be opened.
    pub(in crate::train) fn open(config: &Config) -> Result<Self> {
        let (network, member, team) = join(config)?;
        Ok(Self { network, member, team })
    }

    /// The network.
    pub(in crate::train) fn network(&self) -> &Network {
        &self.network
    }

    /// The planned memory of this rank.
    pub(in crate::train) fn memory(&self) -> MemoryTable {
        self.member.engine.memory()
    }

    /// The time each layer took on this rank in the last step.
    pub(in crate::train) fn timings(&self) -> &LayerTimings {
        self.member.engine.timings()
    }

    /// This rank's share of every batch.
    pub(in crate::train) fn share(&self) -> Share {
        self.member.shares.share
    }

    /// The number of leaves that gradients are summed in.
    pub(in crate::train) fn leaves(&self) -> usize {
        self.member.shares.leaves
    }

    /// Hands the other ranks what they need to load images.
    pub(in crate::train) fn prepare(&self, images: &TrainingImages) -> Result<()> {
        if !self.team.has_others() {
            return Ok(());
        }
        let preprocess = (*images.preprocess).clone();
        self.team.tell(&Command::Prepare(Box::new(Prepared {
            usable: images.usable.clone(),
            mean: preprocess.mean.clone(),
            preprocess,
            basis: images.basis.clone(),
        })))
    }

    /// Makes the other ranks load their shares of the rest of an epoch.
    pub(in crate::train) fn load_batches(&self, epoch: usize, used: usize, color_noise: f64) -> Result<()> {
        self.team.tell(&Command::Load(Load { epoch, used, color_noise }))
    }

    /// Trains on a batch, of which this rank has its share.
    pub(in crate::train) fn train(
        &mut self,
        batch: &LoadedBatch,
        update: &Update,
        keep: Keep,
    ) -> Result<StepOutcome> {
        let batch = as_batch(batch);
        if self.team.has_others() {
            self.team.tell(&Command::Step(*update))?;
            return self.member.step(&batch, update);
        }
        let engine = &mut self.member.engine;
        match keep {
            Keep::Nothing => engine.step(&batch, update),
            Keep::Gradients => {
                let outcome = engine.forward_backward(&batch, &mut |_| Ok(()))?;
                if outcome.loss.is_finite() {
                    engine.apply(update)?;
                }
                Ok(outcome)
            }
        }
    }

    /// Where the numbers of the last step became non-finite.
    pub(in crate::train) fn non_finite(&self) -> Result<Option<NonFinite>> {
        match self.team.has_others() {
            true => Ok(self.member.non_finite()),
            false => self.member.engine.non_finite(),
        }
    }

    /// The magnitudes of each layer, after a step that kept its gradients.
    pub(in crate::train) fn health(&self) -> Result<Vec<Health>> {
        self.team.tell(&Command::Health)?;
        self.member.health()
    }

    /// Freezes a layer, or lets it learn again.
    pub(in crate::train) fn freeze(&mut self, layer: usize, frozen: bool) -> Result<()> {
        self.team.tell(&Command::Freeze { layer, frozen })?;
        self.member.engine.freeze(layer, frozen)
    }

    /// The weights and biases of the whole network.
    pub(in crate::train) fn parameters(&self) -> Result<Vec<Tensor>> {
        self.tensors(TensorKind::Parameters)
    }

    /// The momentum buffers of the whole network.
    pub(in crate::train) fn velocities(&self) -> Result<Vec<Tensor>> {
        self.tensors(TensorKind::Velocities)
    }

    fn tensors(&self, kind: TensorKind) -> Result<Vec<Tensor>> {
        if self.member.is_divided() {
            self.team.tell(&Command::SendValues(kind))?;
        }
        self.member.receive_values(kind)
    }

    /// Loads weights and biases.
    pub(in crate::train) fn load(&mut self, parameters: &[Tensor]) -> Result<()> {
        self.share_values(TensorKind::Parameters, parameters)
    }

    /// Loads momentum buffers.
    pub(in crate::train) fn load_velocities(&mut self, velocities: &[Tensor]) -> Result<()> {
        self.share_values(TensorKind::Velocities, velocities)
    }

    /// Writes the tensors of the whole network on all ranks. They are checked first: other ranks must not fail where this one does
    /// not.
    fn share_values(&mut self, kind: TensorKind, tensors: &[Tensor]) -> Result<()> {
        self.member.take_values(kind, tensors)?;
        if self.team.has_others() {
            self.team.tell(&Command::TakeValues(kind))?;
            self.member.broadcast(&mut tensors.to_vec())?;
        }
        Ok(())
    }

    /// Records the logits of sample images for a model file.
    pub(in crate::train) fn golden(&mut self, preprocess: &Preprocess, images: Vec<Image>) -> Result<Golden> {
        let Self { member, team, .. } = self;
        let batch = member.engine.batch();
        let forward = &mut |views: &[f32]| {
            if member.is_divided() {
                team.tell(&Command::Forward(views.to_vec()))?;
            }
            member.forward(views)
        };
        Golden::record_with(batch, forward, preprocess, images)
    }

    /// Evaluates a split with all ranks. `on_batch` receives the number of images evaluated so far.
    pub(in crate::train) fn evaluate(
        &mut self,
        preprocess: &Arc<Preprocess>,
        split: &Split,
        views: Views,
        workers: usize,
        on_batch: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Evaluation> {
        self.team.tell(&Command::Evaluate { views })?;
        let found = self.member.evaluate(preprocess, split, views, workers, on_batch)?;
        found.ok_or_else(|| Error::new(Kind::Runtime, "another rank has ended the evaluation"))
    }

    /// The bytes that this rank has sent.
    pub(in crate::train) fn sent(&self) -> SentBytes {
        self.team.traffic.bytes()
    }

    /// Makes the other ranks start again with another recipe. This engine must not be used afterwards.
    pub(in crate::train) fn restart(&self, recipe: &Recipe) -> Result<()> {
        self.team.dismiss(&Command::Restart(recipe.to_toml()))
    }
}

impl Drop for JobEngine {
    /// The other ranks wait for commands: without this one, they would wait forever.
    fn drop(&mut self) {
        // If a rank is lost, the job has ended.
        let _ = self.team.dismiss(&Command::End);
    }
}

/// Opens the engine of any rank, and checks that all ranks train the same.
pub(super) fn join(config: &Config) -> Result<(Network, Member, Team)> {
    let shares = Shares::new(config)?;
    let team = Team::new(&config.transport);
    let network = network(config, &team)?;
    let split = NetworkSplit::new(&network, shares.grid)?;
    check_algorithm(config.recipe.optimizer.algorithm, &shares)?;
    let (job, options) = (config.job(), shares.options(config));
    let channels = (&job.transport, &team.traffic);
    let engine = parallel::open(Device::Cpu, &network, shares.grid, channels, &options)?;
    if team.has_others() {
        Introduction::new(config, &shares).compare(&team.world)?;
    }
    let member = Member::new(engine, split, shares, &job, &team)?;
    Ok((network, member, team))
}

/// The network of a training run. A resumed run keys random numbers as it started.
fn network(config: &Config, team: &Team) -> Result<Network> {
    let mut network = Network::new(&config.recipe, config.dataset.classes.len())?;
    // The run folder is the root's, so the root decides.
    let version = match &config.run {
        RunFolder::Resume { folder, .. } if config.transport.rank() == 0 => {
            Origin::read(folder)?.format_version
        }
        RunFolder::Resume { .. } | RunFolder::New(_) | RunFolder::Over(_) => Origin::FORMAT_VERSION,
    };
    let version = if team.has_others() { team.world.all_gather_values(&version)?[0] } else { version };
    key_layers(&mut network, version);
    Ok(network)
}

/// Returns an error if the algorithm needs whole layers, and layers are divided among ranks.
fn check_algorithm(algorithm: Algorithm, shares: &Shares) -> Result<()> {
    match (algorithm, shares.grid.columns()) {
        (Algorithm::Sgd, _) | (Algorithm::Lars { .. }, 1) => Ok(()),
        (Algorithm::Lars { .. }, columns) => Err(Error::usage(format!(
            "`optimizer.algorithm` is \"lars\", which needs the norms of whole layers; here {columns} processes share each layer"
        ))
        .help("share batches only (scheme `data`), or use `--set optimizer.algorithm=sgd --set optimizer.trust=none`")),
    }
}

/// A loaded batch, or a share of one, as engines take it.
pub(super) fn as_batch(batch: &LoadedBatch) -> Batch<'_> {
    let shard = Shard { first: batch.first, global: batch.global };
    Batch { images: &batch.images, labels: &batch.labels, keys: &batch.keys, shard }
}
