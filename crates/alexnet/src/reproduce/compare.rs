//! Comparisons of pairs.

use super::evaluation::EnsembleRecord;
use super::results::{ImagePairs, SeedPair, SeedPairs, Unit, Unreached};
use super::speed::SpeedArm;
use crate::eval::statistics::{Interval, bca, mcnemar, paired_difference, sign_flip};

/// Compares accuracies, given from 0 to 1 by seed.
pub(super) fn accuracies(with: &[f64], without: &[f64]) -> SeedPairs {
    let pairs = with.iter().zip(without).enumerate().map(|(seed, (with, without))| {
        let (with, without) = (100.0 * with, 100.0 * without);
        SeedPair { seed: seed as u64, with, without, difference: with - without }
    });
    of_seeds(Unit::Points, pairs.collect(), None, Unreached::default())
}

/// Compares epochs until the training error has fallen to the target.
pub(super) fn speeds(with: &SpeedArm, without: &SpeedArm) -> SeedPairs {
    let pairs = with.runs.iter().zip(&without.runs).map(|(fast, slow)| {
        let (with, without) = (with.epochs(fast), without.epochs(slow));
        SeedPair { seed: fast.seed, with, without, difference: without - with }
    });
    let pairs: Vec<SeedPair> = pairs.collect();
    let total = |of: fn(&SeedPair) -> f64| pairs.iter().map(of).sum::<f64>();
    let ratio = total(|pair| pair.without) / total(|pair| pair.with).max(f64::MIN_POSITIVE);
    let count = |arm: &SpeedArm| arm.runs.iter().filter(|run| run.reached.is_none()).count();
    let unreached = Unreached { with: count(with), without: count(without) };
    // A lower bound over a lower bound is no bound.
    let is_bounded = unreached.with == 0 || unreached.without == 0;
    of_seeds(Unit::Epochs, pairs, is_bounded.then_some(ratio), unreached)
}

fn of_seeds(unit: Unit, pairs: Vec<SeedPair>, ratio: Option<f64>, unreached: Unreached) -> SeedPairs {
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
    let mean_difference = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    let is_testable = differences.len() > 1;
    SeedPairs {
        unit,
        pairs,
        mean_difference,
        interval: bca(&differences),
        sign_flip: is_testable.then(|| sign_flip(&differences)),
        ratio,
        unreached,
    }
}

/// Compares an ensemble with its best member.
pub(super) fn ensemble(record: &EnsembleRecord) -> ImagePairs {
    let EnsembleRecord { members, best, ensemble, paired } = record;
    let percent = |share: f64| 100.0 * share;
    let (best_seed, best) = &members[*best];
    let Interval { low, high } = paired_difference(*paired);
    ImagePairs {
        images: ensemble.images,
        ensemble: percent(ensemble.top1_share()),
        members: members.iter().map(|(_, member)| percent(member.top1_share())).collect(),
        best_seed: *best_seed,
        difference: percent(ensemble.top1_share() - best.top1_share()),
        interval: Interval { low: percent(low), high: percent(high) },
        mcnemar_p: mcnemar(paired.only_first, paired.only_second).exact_p,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::arm::Arm;
    use crate::reproduce::error_curve::ErrorCurve;
    use crate::reproduce::record::{RunEnd, RunRecord};
    use crate::reproduce::speed::{ChosenRate, SpeedRun};

    #[test]
    fn a_positive_difference_means_that_the_ingredient_helps() {
        let found = accuracies(&[0.75, 0.5], &[0.5, 0.375]);
        assert_eq!(found.pairs[0], SeedPair { seed: 0, with: 75.0, without: 50.0, difference: 25.0 });
        assert_eq!(found.mean_difference, 18.75);
        assert_eq!(found.sign_flip.map(|test| test.p), Some(0.5), "two pairs cannot show less");
        assert!(found.interval.is_some_and(|interval| interval.contains(18.75)));
    }

    #[test]
    fn one_seed_has_neither_an_interval_nor_a_test() {
        let found = accuracies(&[0.75], &[0.5]);
        assert_eq!((found.mean_difference, found.interval, found.sign_flip), (25.0, None, None));
    }

    #[test]
    fn six_equal_signs_are_the_fewest_for_significance() {
        let found = accuracies(&[0.6; 6], &[0.5, 0.51, 0.52, 0.53, 0.54, 0.55]);
        assert_eq!(found.sign_flip.map(|test| test.p), Some(2.0 / 64.0));
    }

    /// Pairs of training runs that reached the target after these epochs, or ended after 10.
    fn pairs(with: [Option<f64>; 2], without: [Option<f64>; 2]) -> SeedPairs {
        let recipe = crate::net::Recipe::load("four-layer-relu").unwrap();
        let arm = |reached: [Option<f64>; 2]| SpeedArm {
            arm: Arm::new("relu", &recipe, Vec::new()).unwrap(),
            chosen: ChosenRate { arm: "relu".into(), rate: 0.01, trials: Vec::new() },
            runs: (0..).zip(reached).map(|(seed, reached)| run(seed, reached)).collect(),
        };
        speeds(&arm(with), &arm(without))
    }

    fn run(seed: u64, reached: Option<f64>) -> SpeedRun {
        let end = if reached.is_some() { RunEnd::Reached } else { RunEnd::Complete };
        let record = RunRecord { end, epochs: 10, steps: 100, seconds: 1.0 };
        SpeedRun { seed, record, reached, curve: ErrorCurve::of(&[], 10) }
    }

    #[test]
    fn epochs_of_trainings_that_ended_early_bound_the_ratio_from_one_side() {
        let (fast, slow) = ([Some(2.0), Some(3.0)], [Some(6.0), Some(4.0)]);
        let found = pairs(fast, slow);
        assert_eq!((found.ratio, found.unreached), (Some(2.0), Unreached::default()));
        let found = pairs(fast, [Some(5.0), None]);
        assert_eq!((found.ratio, found.unreached), (Some(3.0), Unreached { with: 0, without: 1 }));
        let found = pairs([None, None], slow);
        assert_eq!((found.ratio, found.unreached), (Some(0.5), Unreached { with: 2, without: 0 }));
        let found = pairs([None, Some(3.0)], [Some(6.0), None]);
        assert_eq!((found.ratio, found.unreached), (None, Unreached { with: 1, without: 1 }));
    }
}
