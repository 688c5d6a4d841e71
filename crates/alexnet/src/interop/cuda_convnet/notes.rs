//! The changes by hand that the authors noted in comments: `epoch 25: set epsw to 0.001 from 0.01`. The files have the
//! learning rates of the end of training.

/// A training run that was adjusted by hand, up to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notes {
    /// The learning rate of the weights at the start.
    pub(super) initial: f64,
    /// The number that it was divided by.
    pub(super) divide_by: f64,
    /// The epochs after which it was divided.
    pub(super) at_epochs: Vec<usize>,
    /// The learning rate at the end.
    pub(super) last: f64,
    /// The last epoch.
    pub(super) epochs: usize,
    /// The color noise at the start, if the notes have it.
    pub(super) color_noise: Option<f64>,
    /// The names of layers whose own learning rate was changed.
    pub(super) slowed: Vec<String>,
    /// The changes of single layers and of the color noise, which recipes cannot repeat by epoch.
    pub(super) others: Vec<String>,
}

impl Notes {
    /// Reads the notes of the first training in the comments of a file; `None` if it has none, or if they do not fit
    /// together.
    pub(super) fn read(comments: &[&str]) -> Option<Self> {
        let mut notes = Self {
            initial: 0.0,
            divide_by: 0.0,
            at_epochs: Vec::new(),
            last: 0.0,
            epochs: 0,
            color_noise: None,
            slowed: Vec::new(),
            others: Vec::new(),
        };
        let mut epoch = None;
        for comment in comments {
            let note = match comment.strip_prefix("epoch ").and_then(|rest| rest.split_once(':')) {
                Some((number, note)) => {
                    epoch = number.trim().parse().ok();
                    note
                }
                None => comment,
            };
            let Some(epoch) = epoch else { continue };
            for clause in note.split(',').map(str::trim) {
                if clause == "killed" {
                    notes.epochs = epoch;
                    return Some(notes).filter(Self::is_complete);
                }
                notes.add(epoch, clause)?;
            }
        }
        None
    }

    /// Adds a clause; `None` if it contradicts an earlier one.
    fn add(&mut self, epoch: usize, clause: &str) -> Option<()> {
        if let Some(change) = clause.strip_prefix("set color noise to ") {
            let (_, from) = change.split_once(" from ")?;
            self.color_noise = self.color_noise.or(from.trim().parse().ok());
            self.others.push(format!("epoch {epoch}: {clause}"));
        } else if let Some(change) = clause.strip_prefix("set epsw to ") {
            match change.split_once(" on ") {
                Some((_, layer)) => {
                    self.slowed.push(layer.trim().to_owned());
                    self.others.push(format!("epoch {epoch}: {clause}"));
                }
                None => {
                    let (to, from) = change.split_once(" from ")?;
                    self.divide(epoch, from.trim().parse().ok()?, to.trim().parse().ok()?)?;
                }
            }
        } else if let Some(to) = clause.strip_suffix(" elsewhere") {
            self.divide(epoch, self.last, to.trim().parse().ok()?)?;
        }
        Some(())
    }

    fn divide(&mut self, epoch: usize, from: f64, to: f64) -> Option<()> {
        let is_positive = |rate: f64| rate.is_finite() && rate > 0.0;
        if !is_positive(from) || !is_positive(to) || to >= from {
            return None;
        }
        let by = from / to;
        match self.at_epochs.last() {
            None => (self.initial, self.divide_by) = (from, by),
            Some(&before) => {
                let is_same = (by / self.divide_by - 1.0).abs() < 1e-6;
                if before >= epoch || from != self.last || !is_same {
                    return None;
                }
            }
        }
        self.last = to;
        self.at_epochs.push(epoch);
        Some(())
    }

    fn is_complete(&self) -> bool {
        let last = self.at_epochs.last();
        last.is_some_and(|&last| last < self.epochs) && self.epochs <= 100_000 && self.at_epochs[0] > 0
    }

    /// Returns whether the learning rate of a layer of the file was changed on its own: notes name all columns at once,
    /// `conv1` for `conv1a` and `conv1b`.
    pub(super) fn is_slowed(&self, layer: &str) -> bool {
        self.slowed.iter().any(|name| {
            layer
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.len() <= 1 && !rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_by_hand_is_a_schedule() {
        let notes = Notes::read(&["epoch 7: set epsw to 0.5 from 0.5, a typo of another run"]);
        assert_eq!(notes, None);
        let notes = Notes::read(&[
            "on gpu (now guppy9)",
            "epoch 10: set epsw to 0.01 from 0.1",
            "epoch 12: paused",
            "epoch 20: set epsw to 0.001 from 0.01 on conv1",
            "          set color noise to 0 from 0.3",
            "epoch 25: set epsw to 0 on conv1, 0.001 elsewhere",
            "epoch 30: killed",
            "epoch 40: set epsw to 5 from 6",
        ]);
        let notes = notes.unwrap();
        assert_eq!(
            (notes.initial, notes.last, &notes.at_epochs[..], notes.epochs),
            (0.1, 0.001, &[10, 25][..], 30)
        );
        assert!((notes.divide_by - 10.0).abs() < 1e-9 && notes.color_noise == Some(0.3));
        assert_eq!(notes.others.len(), 3);
        let slowed = ["conv1", "conv1a", "conv10", "conv12", "conv2"].map(|layer| notes.is_slowed(layer));
        assert_eq!(slowed, [true, true, false, false, false]);
    }

    #[test]
    fn notes_that_do_not_fit_together_are_ignored() {
        for comments in [
            [
                "epoch 10: set epsw to 0.01 from 0.1",
                "epoch 9: set epsw to 0.001 from 0.01",
                "epoch 30: killed",
            ],
            [
                "epoch 10: set epsw to 0.01 from 0.1",
                "epoch 19: set epsw to 0.001 from 0.02",
                "epoch 30: killed",
            ],
            [
                "epoch 10: set epsw to 0.01 from 0.1",
                "epoch 19: set epsw to 0.005 from 0.01",
                "epoch 30: killed",
            ],
            ["epoch 10: set epsw to 0.01 from 0.1", "epoch 9: killed", ""],
            [
                "epoch 10: set epsw to 0.01 from 0.1",
                "epoch 20: set epsw to nan from 0.01",
                "epoch 30: killed",
            ],
            ["epoch 10: set epsw to 0.01 from 0.1", "", ""],
        ] {
            assert_eq!(Notes::read(&comments), None, "{comments:?}");
        }
    }
}
