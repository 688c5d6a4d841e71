//! The check of a source as a whole.

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::classes::{self, UndecodableClass};
use super::duplicates::{self, DuplicatePair};
use super::probe::{self, Probe};
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::{Dataset, Split};
use crate::format::counted;
use crate::{Result, threads};

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The source that was checked.
    pub source: String,
    /// The number of images in all splits.
    pub images: usize,
    /// The class names.
    pub classes: Vec<String>,
    /// The number of images in each split.
    #[serde(skip)]
    pub splits: Vec<SplitSize>,
    /// All problems: first those of the source as a whole, then those of images.
    pub problems: Vec<Problem>,
    /// Notes on how the source was read.
    pub notes: Vec<String>,
    /// The problems that involve two images, for the plan.
    #[serde(skip)]
    pub(in crate::data) pairs: Vec<DuplicatePair>,
}

/// The size of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitSize {
    /// The name of the split.
    pub name: String,
    /// The number of images.
    pub images: usize,
}

/// The problems of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSummary<'a> {
    /// The kind.
    pub kind: ProblemKind,
    /// The number of problems.
    pub count: usize,
    /// The first of them.
    pub first: &'a Problem,
}

/// Checks every image of a source on `workers` threads. `progress` receives the number of images just done and the total.
///
/// # Errors
/// Returns an error if the source cannot be opened at all.
pub fn check(path: &Path, workers: usize, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Diagnosis> {
    let (dataset, mut problems) = Dataset::examine(path)?;
    let splits: Vec<&Split> = dataset.splits.iter().filter(|split| split.name != "all").collect();
    let images = splits.iter().map(|split| split.len()).sum();
    let pool = threads::pool(workers.max(1))?;
    let mut probes: Vec<Probe> = Vec::with_capacity(images);
    for (number, split) in (0..).zip(&splits) {
        let fingerprint = |index: usize| {
            let probe = Probe::of(split, number, index);
            progress(1, images);
            probe
        };
        probes.extend(
            pool.install(|| (0..split.len()).into_par_iter().map(fingerprint).collect::<Vec<Probe>>()),
        );
    }
    classes::report_classes(&dataset.classes, &splits, &mut problems);
    for (number, split) in (0..).zip(&splits) {
        let decodes = |probe: &&Probe| probe.split == number && probe.fingerprint.is_some();
        let usable: Vec<usize> = probes.iter().filter(decodes).map(|probe| probe.index).collect();
        for UndecodableClass { name, images } in classes::undecodable(split, &usable, &dataset.classes) {
            problems.push(Problem {
                file: name.to_owned(),
                kind: ProblemKind::UndecodableClass,
                detail: format!("none of its {} in {} can be decoded", counted(images, "image"), split.name),
            });
        }
    }
    problems.extend(probes.iter_mut().flat_map(|probe| std::mem::take(&mut probe.problems)));
    problems.extend(probe::small_ones(&probes, &splits));
    let pairs = pool.install(|| duplicates::pairs(&probes, &splits));
    problems.extend(pairs.iter().map(DuplicatePair::problem));
    Ok(Diagnosis {
        source: dataset.origin,
        images,
        classes: dataset.classes,
        splits: splits
            .iter()
            .map(|split| SplitSize { name: split.name.clone(), images: split.len() })
            .collect(),
        problems,
        notes: dataset.notes,
        pairs,
    })
}

impl Diagnosis {
    /// Summarizes the problems of each kind, in the order of the kinds.
    pub fn by_kind(&self) -> Vec<KindSummary<'_>> {
        let mut kinds: Vec<KindSummary<'_>> = Vec::new();
        for problem in &self.problems {
            match kinds.iter_mut().find(|summary| summary.kind == problem.kind) {
                Some(summary) => summary.count += 1,
                None => kinds.push(KindSummary { kind: problem.kind, count: 1, first: problem }),
            }
        }
        kinds.sort_by_key(|summary| summary.kind);
        kinds
    }
}
