//! Checks that all ranks train the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::shares::Shares;
use crate::data::Identity;
use crate::error::Kind;
use crate::format::hex;
use crate::net::{Recipe, diff};
use crate::parallel::{Collective, ExchangePrecision, Scheme};
use crate::train::config::Config;
use crate::{Error, Result};

/// Everything that must be the same on all ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Introduction {
    /// The program's version, and the SHA-256 of its file.
    program: String,
    /// As TOML.
    recipe: String,
    data: Identity,
    seed: u64,
    scheme: Scheme,
    leaves: usize,
    precision: ExchangePrecision,
}

impl Introduction {
    pub(super) fn new(config: &Config, shares: &Shares) -> Self {
        let job = config.job();
        Self {
            program: program(),
            recipe: config.recipe.to_toml(),
            data: Identity::of(&config.dataset),
            seed: config.seed,
            scheme: job.scheme,
            leaves: shares.leaves,
            precision: job.precision,
        }
    }

    /// Compares the ranks of a job.
    ///
    /// # Errors
    /// Returns an error that names the first rank that differs from the root, and in what.
    pub(super) fn compare(&self, world: &Collective) -> Result<()> {
        let all = world.all_gather_values(self)?;
        let different =
            all.iter().enumerate().find_map(|(rank, other)| Some((rank, all[0].difference(other)?)));
        match different {
            None => Ok(()),
            Some((rank, difference)) => {
                let message = format!("rank {rank} differs from rank 0 in {difference}");
                Err(Error::new(Kind::Usage, message)
                    .help("start all ranks with the same program, images and options"))
            }
        }
    }

    fn difference(&self, other: &Self) -> Option<String> {
        if self.program != other.program {
            return Some(format!("the program: {} -> {}", self.program, other.program));
        }
        if let Some(difference) = self.data.difference(&other.data) {
            return Some(format!("the images: {difference}"));
        }
        if self.recipe != other.recipe {
            let read = |text: &str| Recipe::parse(text, "a rank's recipe");
            let difference = match (read(&self.recipe), read(&other.recipe)) {
                (Ok(here), Ok(there)) => diff(&here, &there),
                (Err(_), _) | (_, Err(_)) => String::new(),
            };
            return Some(format!("the recipe:\n{}", difference.trim_end()));
        }
        let settings = |of: &Self| {
            [
                ("the seed", of.seed.to_string()),
                ("the parallel scheme", of.scheme.to_string()),
                ("the leaves", of.leaves.to_string()),
                ("the precision of the exchange", of.precision.to_string()),
            ]
        };
        settings(self)
            .into_iter()
            .zip(settings(other))
            .find(|(here, there)| here != there)
            .map(|((name, here), (_, there))| format!("{name}: {here} -> {there}"))
    }
}

/// Identifies the program, by the contents of its file where the system says which it is.
fn program() -> String {
    let file = std::env::current_exe().and_then(std::fs::read);
    let digest = file
        .map_or_else(|_| "unknown file".to_owned(), |bytes| hex(&Sha256::digest(&bytes))[..12].to_owned());
    format!("{} ({digest})", env!("CARGO_PKG_VERSION"))
}
