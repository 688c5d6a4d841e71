//! The search with planted weights, its scores, and what it refuses.

use super::predictions::Predictions;
use super::search::{MIN_IMAGES, search_weights};
use crate::error::Kind;

/// Predictions of `models` models for images with two classes, from the probability of the label.
fn predictions(of_label: &[Vec<f64>]) -> Vec<Predictions> {
    let labels: Vec<u32> = (0..of_label.len()).map(|image| (image % 2) as u32).collect();
    let model = |model: usize| Predictions {
        classes: 2,
        probabilities: of_label
            .iter()
            .zip(&labels)
            .flat_map(|(image, label)| {
                let p = image[model] as f32;
                if *label == 0 { [p, 1.0 - p] } else { [1.0 - p, p] }
            })
            .collect(),
        labels: labels.clone(),
        skipped: Vec::new(),
    };
    (0..of_label[0].len()).map(model).collect()
}

/// Images that an ensemble classifies correctly only if its weights are less than half a step from 0.6, 0.3, 0.1.
fn planted(copies: usize) -> Vec<Predictions> {
    let limit = |model: usize, limit: f64, sign: f64| -> Vec<f64> {
        (0..3).map(|i| 0.5 + 0.5 * sign * (f64::from(u8::from(i == model)) - limit)).collect()
    };
    let images = [limit(0, 0.575, 1.0), limit(0, 0.625, -1.0), limit(1, 0.275, 1.0), limit(1, 0.325, -1.0)];
    let images: Vec<Vec<f64>> = images.iter().flat_map(|image| vec![image.clone(); copies]).collect();
    predictions(&images)
}

#[test]
fn planted_weights_are_found() {
    let models = planted(8);
    let found = search_weights(&models).unwrap();
    assert_eq!(found.weights, [0.6, 0.3, 0.1]);
    assert_eq!((found.searched.images, found.searched.top1, found.searched.top5), (32, 32, 32));
    // Every kind of image is in both halves.
    assert_eq!(found.half_weights, [[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]);
    assert_eq!(found.nested.top1, 32);
    // Equal weights satisfy the limits from below on model 1, and from above on models 0 and 1.
    assert_eq!(found.equal.top1, 8);
    assert_eq!(found.models.iter().map(|score| score.top1).collect::<Vec<_>>(), [16, 16, 16]);
    assert_eq!(search_weights(&models).unwrap(), found);
}

#[test]
fn scores_are_those_of_the_mean() {
    // The label has probability 0.9 and 0.3, 0.6 on average.
    let found = search_weights(&predictions(&vec![vec![0.9, 0.3]; 20])).unwrap();
    assert!((found.equal.loss + 0.6_f64.ln()).abs() < 1e-6, "{found:?}");
    assert_eq!((found.equal.top1_share(), found.models[1].top1), (1.0, 0));
    // As many images are correct with any weight above 1/3; the loss decides.
    assert_eq!(found.weights, [1.0, 0.0]);
    assert!((found.searched.loss + 0.9_f64.ln()).abs() < 1e-6, "{found:?}");
}

#[test]
fn models_that_agree_keep_equal_weights() {
    for models in [2, 3, 7, 21] {
        let found = search_weights(&predictions(&vec![vec![0.7; models]; 24])).unwrap();
        assert_eq!(found.weights, vec![1.0 / models as f64; models]);
        assert_eq!((found.equal, found.nested.top1), (found.searched, 24));
    }
}

/// Two models that guess: the search gains on the images that it sees, and nothing on others.
#[test]
fn the_nested_score_is_not_optimistic() {
    let (mut searched, mut nested, mut equal) = (0, 0, 0);
    for seed in 0..40 {
        let guess = |image: usize, model: usize| {
            let hash = (((seed * 211 + image) * 31 + model) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f64 / f64::from(1 << 24)
        };
        let images: Vec<Vec<f64>> =
            (0..40).map(|image| (0..3).map(|model| guess(image, model)).collect()).collect();
        let found = search_weights(&predictions(&images)).unwrap();
        assert!(found.searched.top1 >= found.equal.top1);
        searched += found.searched.top1;
        nested += found.nested.top1;
        equal += found.equal.top1;
    }
    // 1600 images at a chance level of 50 %, with a standard deviation of 20.
    assert!(searched > 900, "{searched}");
    assert!((720..880).contains(&nested) && (720..880).contains(&equal), "{nested} {equal}");
}

#[test]
fn predictions_that_do_not_fit_are_refused() {
    let models = planted(5);
    assert_eq!(models[0].labels.len(), MIN_IMAGES);
    search_weights(&models).unwrap();
    let refused = |models: &[Predictions]| search_weights(models).unwrap_err();
    assert_eq!(refused(&models[..0]).kind, Kind::Usage);
    assert!(refused(&models[..1]).message.starts_with("one model"));
    let few = refused(&planted(4));
    assert!(few.message.starts_with("16 images to search weights on") && few.kind == Kind::Data, "{few}");
    let mut other = models.clone();
    other[2].labels[0] = 1;
    assert!(refused(&other).message.contains("different images"));
    other[2].classes = 3;
    assert!(refused(&other).message.contains("2 and 3 classes"));
}
