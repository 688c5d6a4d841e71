//! Duplicate and near-duplicate images. Within a split they count twice; across splits they make a network look better than
//! it is.

use std::collections::HashMap;

use rayon::prelude::*;

use super::fingerprint::Fingerprint;
use super::probe::Probe;
use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::Split;

/// The maximum number of candidates per band value: plain backgrounds all look the same.
const MAX_CANDIDATES: usize = 64;

/// An image that duplicates an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data) struct DuplicatePair {
    pub(in crate::data) file: String,
    pub(in crate::data) first: String,
    pub(in crate::data) same_bytes: bool,
    /// The splits of both images.
    pub(in crate::data) splits: [String; 2],
    pub(in crate::data) same_class: bool,
}

impl DuplicatePair {
    fn new(splits: &[&Split], later: &Probe, first: &Probe, same_bytes: bool) -> Self {
        let (a, b) = (splits[later.split], splits[first.split]);
        Self {
            file: a.file(later.index).to_owned(),
            first: b.file(first.index).to_owned(),
            same_bytes,
            splits: [a.name.clone(), b.name.clone()],
            same_class: a.label(later.index) == b.label(first.index),
        }
    }

    /// Returns whether the images are in different splits.
    pub(in crate::data) fn crosses_splits(&self) -> bool {
        self.splits[0] != self.splits[1]
    }

    /// Whether it is one file that is listed in two splits.
    pub(in crate::data) fn is_one_file(&self) -> bool {
        self.file == self.first
    }

    /// Returns the pair from the point of view of the first image.
    pub(in crate::data) fn swapped(&self) -> Self {
        let [later, first] = self.splits.clone();
        Self { file: self.first.clone(), first: self.file.clone(), splits: [first, later], ..self.clone() }
    }

    /// Describes the pair as a problem.
    pub(in crate::data) fn problem(&self) -> Problem {
        let kind = if self.same_bytes { ProblemKind::Duplicate } else { ProblemKind::NearDuplicate };
        let [own, other] = &self.splits;
        let mut detail = match (self.is_one_file(), self.same_bytes) {
            (true, _) => format!("in {own}, and the same file in {other}"),
            (false, true) => format!("same bytes as {}", self.first),
            (false, false) => format!("looks like {}", self.first),
        };
        if self.crosses_splits() && !self.is_one_file() {
            detail += &format!(", which is in {other} (this one is in {own})");
        }
        if !self.same_class {
            detail += ", in another class";
        }
        Problem { file: self.file.clone(), kind, detail }
    }
}

/// Finds every image that duplicates an earlier one. Images of `train` come last.
pub(super) fn pairs(probes: &[Probe], splits: &[&Split]) -> Vec<DuplicatePair> {
    // Of two duplicates, the one reported, which may be left out, is the one in the training set.
    let mut order: Vec<&Probe> = probes.iter().collect();
    order.sort_by_key(|probe| (splits[probe.split].name == "train", probe.split, probe.index));
    let mut first_with: HashMap<[u8; 16], &Probe> = HashMap::new();
    let (mut found, mut different) = (Vec::new(), Vec::new());
    for probe in order {
        let Some(digest) = probe.digest else { continue };
        match first_with.get(&digest) {
            Some(first) => found.push(DuplicatePair::new(splits, probe, first, true)),
            None => {
                first_with.insert(digest, probe);
                different
                    .extend(probe.fingerprint.as_ref().map(|fingerprint| Candidate { probe, fingerprint }));
            }
        }
    }
    found.extend(lookalikes(&different, splits));
    found
}

/// An image that is not an exact duplicate.
struct Candidate<'a> {
    probe: &'a Probe,
    fingerprint: &'a Fingerprint,
}

/// Finds every image that looks like an earlier one.
fn lookalikes(images: &[Candidate<'_>], splits: &[&Split]) -> Vec<DuplicatePair> {
    let mut by_band: HashMap<u32, Vec<u32>> = HashMap::new();
    for (place, Candidate { fingerprint, .. }) in (0..).zip(images) {
        for band in fingerprint.bands() {
            let places = by_band.entry(band).or_default();
            if places.len() < MAX_CANDIDATES {
                places.push(place);
            }
        }
    }
    let like = |(place, Candidate { probe, fingerprint }): (usize, &Candidate<'_>)| {
        let candidates = fingerprint.bands().into_iter().flat_map(|band| &by_band[&band]).copied();
        let earlier = candidates.filter(|&other| {
            (other as usize) < place && images[other as usize].fingerprint.is_like(fingerprint)
        });
        earlier.min().map(|first| DuplicatePair::new(splits, probe, images[first as usize].probe, false))
    };
    images.par_iter().enumerate().filter_map(like).collect()
}
