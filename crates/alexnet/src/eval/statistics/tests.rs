//! Values known by hand, and edge cases. Values of other programs: `crates/alexnet/tests/statistics.rs`.

use super::*;

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn wilson_intervals_have_a_width_at_the_ends_and_contain_the_proportion() {
    assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    let (none, all) = (wilson(0, 10), wilson(10, 10));
    assert_eq!((none.low, all.high), (0.0, 1.0));
    // With z^2 = 3.8415: n / (n + z^2) and z^2 / (n + z^2).
    assert_close(all.low, 10.0 / (10.0 + 3.841_458_820_694_124));
    assert_close(none.high, 1.0 - all.low);
    for (successes, n) in [(1, 1), (1, 2), (3, 7), (49_999, 50_000)] {
        assert!(wilson(successes, n).contains(successes as f64 / n as f64), "{successes} of {n}");
    }
}

#[test]
fn mcnemar_without_a_difference_has_p_1() {
    for count in [0, 1, 2, 5000] {
        let found = mcnemar(count, count);
        assert_eq!((found.exact_p, found.corrected_statistic, found.corrected_p), (1.0, 0.0, 1.0));
    }
    // 2 * (1 + 6) / 2^6, and (5 - 1 - 1)^2 / 6.
    let found = mcnemar(1, 5);
    assert_close(found.exact_p, 14.0 / 64.0);
    assert_close(found.corrected_statistic, 1.5);
    assert_eq!(mcnemar(5, 1), found);
    assert_close(mcnemar(0, 1).exact_p, 1.0);
    assert_close(mcnemar(0, 6).exact_p, 2.0 / 64.0);
}

#[test]
fn the_paired_difference_follows_the_discordant_images() {
    let mut paired = Paired::default();
    assert_eq!(paired_difference(paired), Interval { low: -1.0, high: 1.0 });
    for (first, second, images) in [(true, true, 60), (true, false, 25), (false, true, 5), (false, false, 10)]
    {
        (0..images).for_each(|_| paired.add(first, second));
    }
    assert_eq!(paired, Paired { both: 60, only_first: 25, only_second: 5, neither: 10 });
    let interval = paired_difference(paired);
    assert!(interval.contains(0.2) && interval.low > 0.0, "{interval:?}");
    let swapped = Paired { only_first: 5, only_second: 25, ..paired };
    let mirrored = paired_difference(swapped);
    assert_close(mirrored.low, -interval.high);
    assert_close(mirrored.high, -interval.low);
    for edge in [
        Paired { both: 7, ..Paired::default() },
        Paired { neither: 7, ..Paired::default() },
        Paired { only_first: 7, ..Paired::default() },
        Paired { both: 1, only_second: 1, ..Paired::default() },
    ] {
        let Interval { low, high } = paired_difference(edge);
        assert!(-1.0 <= low && low < high && high <= 1.0, "{edge:?}: {low} to {high}");
    }
}

#[test]
fn six_equal_signs_are_the_fewest_that_reach_five_percent() {
    assert_eq!(fewest_pairs(0.05), Some(6));
    assert_eq!(fewest_pairs(0.01), Some(8));
    assert_eq!((fewest_pairs(1.0), fewest_pairs(1e-9)), (Some(1), None));
    for n in 1..=12 {
        let differences: Vec<f64> = (1..=n).map(|i| 0.1 * i as f64).collect();
        let found = sign_flip(&differences);
        assert_eq!(found, SignFlip { p: smallest_p(n), flips: Flips::Exact });
    }
    assert_eq!((smallest_p(0), smallest_p(1), smallest_p(5)), (1.0, 1.0, 0.0625));
}

#[test]
fn sign_flips_count_ties_and_non_finite_values_as_hits() {
    assert_eq!(sign_flip(&[]).p, 1.0);
    assert_eq!(sign_flip(&[0.0; 8]).p, 1.0);
    assert_eq!(sign_flip(&[1.0, f64::NAN, 2.0]).p, 1.0);
    assert_eq!(sign_flip(&[1.0, f64::INFINITY, 2.0]).p, 1.0);
    // Of the sums of +-1 +-2 +-3, 6 occurs once and 4 once, with either sign.
    assert_eq!(sign_flip(&[1.0, 2.0, 3.0]).p, 0.25);
    assert_eq!(sign_flip(&[-1.0, 2.0, 3.0]).p, 0.5);
    // Sums of these differ by rounding only.
    assert_eq!(sign_flip(&[0.1, 0.2, 0.3, -0.1, -0.2, -0.3]).p, 1.0);
}

#[test]
fn random_sign_flips_are_repeatable_and_near_the_exact_p() {
    // One negative among 13: the sums of at most one flip are as large, with either sign.
    let mut differences = [1.0; 13];
    differences[4] = -1.0;
    let found = sign_flip(&differences);
    assert_eq!((found, found.flips), (sign_flip(&differences), Flips::MonteCarlo(100_000)));
    let exact = 2.0 * 14.0 / 2_f64.powi(13);
    assert!((found.p - exact).abs() < 4.0 * (exact / 1e5).sqrt(), "{} {exact}", found.p);
    let many = sign_flip(&[1.0; 70]);
    assert_eq!(many.p, smallest_p(70));
}

#[test]
fn bootstraps_of_few_or_equal_values_are_defined() {
    assert_eq!(bca(&[]), None);
    assert_eq!(bca(&[0.3]), None);
    assert_eq!(bca(&[0.3, f64::NAN]), None);
    assert_eq!(bca(&[0.3, f64::INFINITY, 1.0]), None);
    assert_eq!(bca(&[0.1, 0.4]), Some(Interval { low: 0.1, high: 0.4 }));
    for n in [2, 3, 10, 11, 100] {
        assert_eq!(bca(&vec![-0.7; n]), Some(Interval { low: -0.7, high: -0.7 }));
    }
}

#[test]
fn symmetric_values_have_no_bias_and_no_acceleration() {
    let found = bootstrap(&[-2.0, -1.0, 0.0, 1.0, 2.0]).unwrap();
    assert_close(found.bias, 0.0);
    assert_close(found.acceleration, 0.0);
    assert_close(found.interval.low, -found.interval.high);
    assert_eq!(found.resamples, Resamples::Exact);
}

#[test]
fn random_resamples_are_repeatable_and_near_all_resamples() {
    let values = [0.1, 0.4, -0.2, 0.9, 0.3, 0.2, 0.5, 0.8, 0.05, 0.33];
    let exact = bootstrap(&values).unwrap();
    // Each value twice has the same skewness, over the root of 2.
    let twice = bootstrap(&[values, values].concat()).unwrap();
    assert_eq!(twice.resamples, Resamples::MonteCarlo(20_000));
    assert_eq!(Some(twice), bootstrap(&[values, values].concat()));
    assert_close(twice.acceleration, exact.acceleration / 2_f64.sqrt());
    let width = |found: &Bootstrap| found.interval.high - found.interval.low;
    let ratio = width(&twice) / width(&exact);
    assert!((ratio - 0.5_f64.sqrt()).abs() < 0.03, "{ratio}");
    assert!(twice.interval.contains(twice.mean));
}

#[test]
fn one_outlier_makes_an_interval_that_contains_the_mean() {
    for n in [3, 10, 200] {
        let mut values = vec![0.0; n];
        values[0] = 1.0;
        let found = bootstrap(&values).unwrap();
        assert!(found.interval.contains(found.mean) && found.bias.is_finite(), "{n}: {found:?}");
        assert!(found.interval.low < found.interval.high, "{n}: {found:?}");
    }
}

#[test]
fn calibration_bins_are_closed_above() {
    let edge = 1.0 / BINS as f64;
    let found =
        Calibration::of([(edge, true), (edge + 1e-9, false), (1.0, true), (0.0, false), (f64::NAN, false)]);
    assert_eq!(found.bins.len(), BINS);
    assert_eq!([0, 1, 14].map(|bin: usize| found.bins[bin].images), [3, 1, 1]);
    assert_eq!((found.bins[7].accuracy, found.bins[7].confidence), (None, None));
    // |1 - edge| of three images, |0 - edge| of one, 0 of one.
    assert_close(found.ece, ((1.0 - edge) + edge + 1e-9) / 5.0);
    assert_eq!(Calibration::of([]).ece, 0.0);
    assert_eq!(Calibration::of([(1.0, true)]).ece, 0.0);
}

#[test]
fn the_temperature_undoes_a_factor() {
    // Three of four images are correct, with a margin of 5: the best margin is ln 3.
    let logits = [5.0_f32, 0.0, 5.0, 0.0, 0.0, 5.0, 0.0, 5.0];
    let found = temperature(&logits, &[0, 0, 1, 0]);
    assert_close(found.temperature, 5.0 / 3_f64.ln());
    assert!(found.loss_after < found.loss_before && !found.at_limit);
    let scaled = logits.map(|logit| 7.0 * logit);
    assert_close(temperature(&scaled, &[0, 0, 1, 0]).temperature, 7.0 * found.temperature);
    let correct = temperature(&logits, &[0, 0, 1, 1]);
    assert_eq!((correct.temperature, correct.at_limit), (0.01, true));
    let wrong = temperature(&logits, &[1, 1, 0, 0]);
    assert_eq!((wrong.temperature, wrong.at_limit), (100.0, true));
    for (logits, labels) in [(&[][..], &[][..]), (&[3.0][..], &[0][..]), (&[1.0, 1.0][..], &[0][..])] {
        let found = temperature(logits, labels);
        assert_eq!((found.temperature, found.loss_before), (1.0, found.loss_after));
        assert!(found.loss_after.is_finite());
    }
}

#[test]
fn a_confusion_matrix_knows_recall_and_precision() {
    let pairs = [(0, 0), (0, 1), (0, 1), (0, 1), (1, 1), (1, 0), (3, 1)];
    let found = Confusion::of(4, pairs);
    assert_eq!(found.row(0), [1, 3, 0, 0]);
    assert_eq!(found.recall(0).unwrap().0, 0.25);
    assert_eq!(found.precision(0).unwrap().0, 0.5);
    assert_eq!((found.recall(2), found.precision(2), found.precision(3)), (None, None, None));
    assert_eq!(found.recall(3).unwrap(), (0.0, wilson(0, 1)));
    let confused: Vec<_> = found.most_confused(2).iter().map(|c| (c.label, c.predicted, c.images)).collect();
    assert_eq!(confused, [(0, 1, 3), (1, 0, 1)]);
    assert_eq!(found.most_confused(9).len(), 3);
}
