//! Images that are the same, or look it: within a split they weigh double, across splits they make a network look better
//! than it is.
//!
//! Two images look the same when the gradients of 9 x 8 gray values differ in at most [`MOST_BITS`] of 64 signs (the
//! difference hash), and the values themselves correlate by at least [`LEAST_CORRELATION`].

use std::collections::HashMap;

use rayon::prelude::*;

use super::probe::Probe;
use super::{Problem, ProblemKind};
use crate::data::{Image, Split, square};

/// Signs in which images that look the same may differ. Candidates are found by bands of 16 signs, one of which has to be
/// equal: so it is wherever up to three signs differ, and mostly where six do.
const MOST_BITS: u32 = 6;

/// How much their gray values have to rise and fall together.
const LEAST_CORRELATION: f64 = 0.98;

/// Most images of one band's value that an image is compared with: bare backgrounds all look the same.
const MOST_CANDIDATES: usize = 64;

const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// What an image looks like, in small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether each gray value is larger than its right neighbor.
    signs: u64,
    gray: [u8; COLUMNS * ROWS],
}

impl Look {
    pub(super) fn of(image: &Image) -> Self {
        let small = square::resize(image, COLUMNS, ROWS);
        let mut gray = [0; COLUMNS * ROWS];
        for (gray, &[red, green, blue]) in gray.iter_mut().zip(small.pixels.as_chunks::<3>().0) {
            // Brightness as in ITU-R BT.601.
            *gray = ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000) as u8;
        }
        let rows = gray.chunks_exact(COLUMNS);
        let signs = rows
            .flat_map(|row| row.windows(2))
            .fold(0, |signs, pair| signs << 1 | u64::from(pair[0] > pair[1]));
        Self { signs, gray }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.signs ^ other.signs).count_ones() <= MOST_BITS && self.correlation(other) >= LEAST_CORRELATION
    }

    /// Pearson's correlation of the gray values, 0 where one has none to tell.
    fn correlation(&self, other: &Self) -> f64 {
        let pairs = || self.gray.iter().zip(&other.gray).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let n = self.gray.len() as f64;
        let (a, b) = pairs().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
        let sum = |f: &dyn Fn(f64, f64) -> f64| pairs().map(|(x, y)| f(x - a, y - b)).sum::<f64>();
        let both = sum(&|x, _| x * x) * sum(&|_, y| y * y);
        if both == 0.0 { 0.0 } else { sum(&|x, y| x * y) / both.sqrt() }
    }

    /// The four bands of 16 signs, each with its number.
    fn bands(&self) -> [u32; 4] {
        std::array::from_fn(|i| (i as u32) << 16 | (self.signs >> (16 * i) & 0xffff) as u32)
    }
}

/// An image and an earlier one that is the same, or looks it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) file: String,
    pub(super) first: String,
    pub(super) same_bytes: bool,
    /// Splits of both.
    pub(super) splits: [String; 2],
    pub(super) same_class: bool,
}

impl Pair {
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

    pub(super) fn problem(&self) -> Problem {
        let kind = if self.same_bytes { ProblemKind::Duplicate } else { ProblemKind::NearDuplicate };
        let mut detail =
            format!("{} {}", if self.same_bytes { "the same bytes as" } else { "looks like" }, self.first);
        if self.splits[0] != self.splits[1] {
            detail += &format!(", which is in {}, this in {}", self.splits[1], self.splits[0]);
        }
        if !self.same_class {
            detail += ", in another class";
        }
        Problem { file: self.file.clone(), kind, detail }
    }
}

/// Every image that an earlier one is the same as, or else looks like; the images to judge by come first.
pub(super) fn pairs(probes: &[Probe], splits: &[&Split]) -> Vec<Pair> {
    // Those of training last: of two, the one that is told, and may be left out, is in the training set.
    let mut order: Vec<&Probe> = probes.iter().collect();
    order.sort_by_key(|probe| (splits[probe.split].name == "train", probe.split, probe.index));
    let mut first_with: HashMap<[u8; 16], &Probe> = HashMap::new();
    let (mut found, mut different) = (Vec::new(), Vec::new());
    for probe in order {
        let Some(digest) = probe.digest else { continue };
        match first_with.get(&digest) {
            Some(first) => found.push(Pair::new(splits, probe, first, true)),
            None => {
                first_with.insert(digest, probe);
                different.extend(probe.look.as_ref().map(|look| (probe, look)));
            }
        }
    }
    found.extend(lookalikes(&different, splits));
    found
}

fn lookalikes(looks: &[(&Probe, &Look)], splits: &[&Split]) -> Vec<Pair> {
    let mut by_band: HashMap<u32, Vec<u32>> = HashMap::new();
    for (place, (_, look)) in (0..).zip(looks) {
        for band in look.bands() {
            let places = by_band.entry(band).or_default();
            if places.len() < MOST_CANDIDATES {
                places.push(place);
            }
        }
    }
    let like = |(place, (probe, look)): (usize, &(&Probe, &Look))| {
        let candidates = look.bands().into_iter().flat_map(|band| &by_band[&band]).copied();
        let earlier =
            candidates.filter(|&other| (other as usize) < place && looks[other as usize].1.is_like(look));
        earlier.min().map(|first| Pair::new(splits, probe, looks[first as usize].0, false))
    };
    looks.par_iter().enumerate().filter_map(like).collect()
}

#[cfg(test)]
mod tests {
    use alexnet_kernels::hash::combine;

    use super::*;

    /// Squares of chance.
    fn image(salt: u64) -> Image {
        let value = |i: usize| (combine(salt, (i / 3 % 40 / 5 + i / 120 / 5 * 8) as u64) >> 57) as u8 + 60;
        Image::new(40, 30, (0..3600).map(value).collect())
    }

    #[test]
    fn a_look_survives_resizing_and_a_little_noise_and_nothing_more() {
        let looks: Vec<Look> = (0..40u64).map(|salt| Look::of(&image(salt))).collect();
        for (salt, look) in (0..).zip(&looks) {
            let image = image(salt);
            assert!(Look::of(&square::resize(&image, 60, 45)).is_like(look), "{salt} resized");
            let brighter = image.pixels.iter().map(|&value| value + 2).collect();
            assert!(Look::of(&Image::new(40, 30, brighter)).is_like(look), "{salt} brighter");
        }
        let alike =
            (0..40).flat_map(|a| (0..a).map(move |b| (a, b))).filter(|&(a, b)| looks[a].is_like(&looks[b]));
        assert_eq!(alike.count(), 0);
    }
}
