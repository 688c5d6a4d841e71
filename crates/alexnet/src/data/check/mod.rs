//! The doctor: everything that is wrong with a source, found before a training finds it hours in.
//!
//! | file | what it does |
//! |---|---|
//! | `problem` | kinds of problems |
//! | `probe` | looks at one image |
//! | `alike` | finds images that are the same, or look it |
//! | `classes` | looks at names and numbers of the classes |
//! | [`plan`] | what to do about each problem: carried out, or undone |
//! | `copying`, `in_place` | the two ways to carry it out |
//! | `record` | what a plan has changed, and undoing it |

mod alike;
mod classes;
mod copying;
mod in_place;
pub mod plan;
mod probe;
mod problem;
mod record;

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::Dataset;
use crate::{Error, Result};
pub(super) use classes::order;
pub use classes::{alike, every_class_decodes};
use probe::Probe;
pub(super) use problem::Findings;
pub use problem::{Problem, ProblemKind};

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// What was looked at.
    pub source: String,
    /// Images of all splits.
    pub images: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// Images of each split.
    pub splits: Vec<(String, usize)>,
    /// All that is wrong, or worth knowing: that of the whole first, then image by image.
    pub problems: Vec<Problem>,
    /// How the source was read.
    pub notes: Vec<String>,
    /// Of the problems those with two images, for the plan.
    #[serde(skip)]
    pairs: Vec<alike::Pair>,
}

/// Looks at every image of a source, on `workers` threads; `progress` is told how many more are done.
///
/// # Errors
/// When nothing of it can be opened.
pub fn check(path: &Path, workers: usize, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Diagnosis> {
    let (dataset, mut problems) = Dataset::examine(path)?;
    let splits: Vec<&super::Split> = dataset.splits.iter().filter(|split| split.name != "all").collect();
    let images = splits.iter().map(|split| split.len()).sum();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers.max(1)).build();
    let pool = pool.map_err(|error| Error::data(format!("no threads can be had: {error}")))?;
    let mut probes: Vec<Probe> = Vec::with_capacity(images);
    for (number, split) in (0..).zip(&splits) {
        let look = |index: usize| {
            let probe = Probe::of(split, number, index);
            progress(1, images);
            probe
        };
        probes.extend(pool.install(|| (0..split.len()).into_par_iter().map(look).collect::<Vec<Probe>>()));
    }
    classes::look(&dataset.classes, &splits, &mut problems);
    for (number, split) in (0..).zip(&splits) {
        let decodes = |probe: &&Probe| probe.split == number && probe.look.is_some();
        let usable: Vec<usize> = probes.iter().filter(decodes).map(|probe| probe.index).collect();
        for (class, images) in classes::undecodable(split, &usable, &dataset.classes) {
            problems.push(Problem {
                file: class.to_owned(),
                kind: ProblemKind::UndecodableClass,
                detail: format!("none of its {images} images in {} decodes", split.name),
            });
        }
    }
    problems.extend(probes.iter_mut().flat_map(|probe| std::mem::take(&mut probe.problems)));
    problems.extend(probe::small_ones(&probes, &splits));
    let pairs = pool.install(|| alike::pairs(&probes, &splits));
    problems.extend(pairs.iter().map(alike::Pair::problem));
    Ok(Diagnosis {
        source: dataset.origin,
        images,
        classes: dataset.classes,
        splits: splits.iter().map(|split| (split.name.clone(), split.len())).collect(),
        problems,
        notes: dataset.notes,
        pairs,
    })
}

impl Diagnosis {
    /// How many problems of each kind there are, and the first of them, in the order in which they are told.
    pub fn by_kind(&self) -> Vec<(ProblemKind, usize, &Problem)> {
        let mut kinds: Vec<(ProblemKind, usize, &Problem)> = Vec::new();
        for problem in &self.problems {
            match kinds.iter_mut().find(|(kind, ..)| *kind == problem.kind) {
                Some((_, count, _)) => *count += 1,
                None => kinds.push((problem.kind, 1, problem)),
            }
        }
        kinds.sort_by_key(|(kind, ..)| *kind);
        kinds
    }
}
