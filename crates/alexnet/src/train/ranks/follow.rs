//! The ranks other than the root.

use std::sync::Arc;

use super::command::{Command, Load, Prepared};
use super::job_engine::{as_batch, join};
use super::member::Member;
use super::team::Team;
use crate::data::{Loader, Preprocess};
use crate::error::Kind;
use crate::net::{Augment, Recipe, Views};
use crate::train::config::Config;
use crate::train::training_images::{Batches, TrainingImages};
use crate::{Error, Result};

/// Takes part in a training run as a rank other than 0, until the root ends it. The configuration is that of the root; the run folder
/// and everything that only the root does are ignored.
///
/// # Errors
/// Returns an error if this rank differs from the root, cannot read its images or loses another rank. The caller reports it and
/// then calls [`abort`](crate::parallel::Transport::abort), because the other ranks wait for this one.
pub fn follow(mut config: Config) -> Result<()> {
    loop {
        config.dataset.prepare(&config.recipe.input)?;
        config.dataset.train()?;
        let (_, member, team) = join(&config)?;
        match (Follower { config: &config, member, team }).obey()? {
            None => return Ok(()),
            Some(recipe) => config.recipe = recipe,
        }
    }
}

struct Follower<'a> {
    config: &'a Config,
    member: Member,
    team: Team,
}

impl Follower<'_> {
    /// Follows the root's commands until the last. Returns the recipe to start again with, if it is to.
    fn obey(mut self) -> Result<Option<Recipe>> {
        let images = match self.team.listen()? {
            Command::Prepare(prepared) => self.images(*prepared)?,
            Command::End => return Ok(None),
            Command::Restart(recipe) => return restart(&recipe).map(Some),
            other => return Err(unexpected(&other)),
        };
        let mut loader = None;
        loop {
            match self.team.listen()? {
                Command::Load(load) => loader = Some(self.load(&images, load)),
                Command::Step(update) => {
                    let out_of_step = || Error::new(Kind::Runtime, "no batch is left for this step");
                    let loader = loader.as_mut().ok_or_else(out_of_step)?;
                    let batch = loader.next().ok_or_else(out_of_step)??;
                    self.member.step(&as_batch(&batch), &update)?;
                    loader.recycle(batch);
                }
                Command::Freeze { layer, frozen } => self.member.engine.freeze(layer, frozen)?,
                Command::Health => drop(self.member.health()?),
                Command::TakeValues(kind) => {
                    let mut tensors = self.member.zeros();
                    self.member.broadcast(&mut tensors)?;
                    self.member.take_values(kind, &tensors)?;
                }
                Command::SendValues(kind) => self.member.send_values(kind)?,
                Command::Forward(images) => self.member.help_forward(&images)?,
                Command::Evaluate { views } => self.evaluate(&images.preprocess, views)?,
                Command::Restart(recipe) => return restart(&recipe).map(Some),
                Command::End => return Ok(None),
                other @ Command::Prepare(_) => return Err(unexpected(&other)),
            }
        }
    }

    fn images(&self, prepared: Prepared) -> Result<TrainingImages> {
        let Prepared { usable, preprocess, mean, basis } = prepared;
        Ok(TrainingImages {
            split: self.config.dataset.train()?.clone(),
            usable,
            skipped: Vec::new(),
            preprocess: Arc::new(Preprocess { mean, ..preprocess }),
            basis,
        })
    }

    fn load(&self, images: &TrainingImages, load: Load) -> Loader {
        let Config { recipe, seed, .. } = self.config;
        images.load(&Batches {
            augment: &Augment { color_noise: load.color_noise, ..recipe.augment.clone() },
            seed: *seed,
            epoch: load.epoch,
            size: recipe.optimizer.batch,
            used: load.used,
            workers: self.config.workers(),
            share: self.member.shares.share,
        })
    }

    fn evaluate(&mut self, preprocess: &Arc<Preprocess>, views: Views) -> Result<()> {
        let Some(split) = self.config.dataset.val() else {
            return Err(Error::data("no validation images on this rank"));
        };
        self.member.evaluate(preprocess, split, views, self.config.workers(), &mut |_| Ok(())).map(drop)
    }
}

fn restart(recipe: &str) -> Result<Recipe> {
    Recipe::parse(recipe, "the recipe of the root")
}

fn unexpected(command: &Command) -> Error {
    Error::new(Kind::Runtime, format!("unexpected command of the root: {command:?}"))
}
