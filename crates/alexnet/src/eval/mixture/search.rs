//! The search for weights: a coordinate search in steps of 0.05. That of the authors' 2012 program is similar, but minimizes the
//! top-5 error, and its weights do not sum to 1.

use super::predictions::Predictions;
use super::score::Score;
use crate::eval::statistics::halves;
use crate::model::equal_weights;
use crate::{Error, Result};

/// The number of steps from 0 to 1.
const STEPS: usize = 20;

/// The fewest images that weights are searched on: 10 in each half.
pub const MIN_IMAGES: usize = 20;

/// The weights found, and how accurate they are.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSearch {
    /// The weights found on all images, multiples of 0.05 or equal. They sum to 1; some may be 0.
    pub weights: Vec<f64>,
    /// Each model alone.
    pub models: Vec<Score>,
    /// Equal weights.
    pub equal: Score,
    /// The weights found, on the images that they were searched on: optimistic.
    pub searched: Score,
    /// Each half of the images with weights that were searched on the other half: what the search gains on other images.
    pub nested: Score,
    /// The weights found on each half.
    pub half_weights: [Vec<f64>; 2],
}

/// Searches weights for models, given their predictions for the same images: those with the most correct images, then the lowest
/// loss, then closest to equal. The result depends only on the predictions.
///
/// # Errors
/// Returns an error if there are fewer than two models or [`MIN_IMAGES`] images, or if the predictions are for different images
/// or classes.
pub fn search_weights(models: &[Predictions]) -> Result<WeightSearch> {
    let labels = check(models)?;
    let all: Vec<usize> = (0..labels.len()).collect();
    let [first, second] = halves(labels);
    let weights = search(models, &all);
    let half_weights = [search(models, &first), search(models, &second)];
    let nested =
        Score::of(models, &half_weights[0], &second).join(Score::of(models, &half_weights[1], &first));
    let alone = |model: &Predictions| Score::of(std::slice::from_ref(model), &[1.0], &all);
    Ok(WeightSearch {
        models: models.iter().map(alone).collect(),
        equal: Score::of(models, &equal_weights(models.len()), &all),
        searched: Score::of(models, &weights, &all),
        nested,
        weights,
        half_weights,
    })
}

/// Checks that the predictions can be compared, and returns their labels.
fn check(models: &[Predictions]) -> Result<&[u32]> {
    let [first, others @ ..] = models else {
        return Err(Error::usage("no models, expected at least two to weight"));
    };
    if others.is_empty() {
        return Err(Error::usage("one model, expected at least two to weight"));
    }
    if let Some(other) = others.iter().find(|other| other.classes != first.classes) {
        return Err(Error::model(format!(
            "the models have {} and {} classes, expected the same classes",
            first.classes, other.classes
        )));
    }
    if others.iter().any(|other| other.labels != first.labels) {
        return Err(Error::data("the predictions of the models are for different images"));
    }
    if first.labels.len() < MIN_IMAGES {
        let images = first.labels.len();
        let plural = if images == 1 { "" } else { "s" };
        return Err(Error::data(format!(
            "{images} image{plural} to search weights on, expected at least {MIN_IMAGES}: weights are searched on one half and \
             measured on the other"
        ))
        .help("use equal weights, the default, or search on more images"));
    }
    Ok(&first.labels)
}

/// Searches weights on some images: from equal weights, moves weight between two models, by the number of steps that improves the
/// score most, until no move does.
fn search(models: &[Predictions], images: &[usize]) -> Vec<f64> {
    let mut steps = nearly_equal(models.len());
    let mut best = Score::of(models, &to_weights(&steps), images);
    loop {
        let before = best;
        for to in 0..models.len() {
            for from in (0..models.len()).filter(|&from| from != to) {
                (steps, best) = best_move(models, images, steps, best, [from, to]);
            }
        }
        if best == before {
            break;
        }
    }
    let equal = equal_weights(models.len());
    // Equal weights may not be multiples of a step.
    match best.is_better_than(&Score::of(models, &equal, images)) {
        true => to_weights(&steps),
        false => equal,
    }
}

/// Moves weight from one model to another, by the number of steps that improves the score most, or none.
fn best_move(
    models: &[Predictions],
    images: &[usize],
    steps: Vec<usize>,
    best: Score,
    [from, to]: [usize; 2],
) -> (Vec<usize>, Score) {
    let moved = (1..=steps[from]).map(|amount| {
        let mut moved = steps.clone();
        moved[from] -= amount;
        moved[to] += amount;
        let score = Score::of(models, &to_weights(&moved), images);
        (moved, score)
    });
    let moved: Vec<(Vec<usize>, Score)> = moved.collect();
    moved
        .into_iter()
        .fold((steps, best), |best, moved| if moved.1.is_better_than(&best.1) { moved } else { best })
}

/// The multiples of a step closest to equal weights; the first models have the larger ones.
fn nearly_equal(models: usize) -> Vec<usize> {
    (0..models).map(|model| STEPS / models + usize::from(model < STEPS % models)).collect()
}

fn to_weights(steps: &[usize]) -> Vec<f64> {
    steps.iter().map(|&steps| steps as f64 / STEPS as f64).collect()
}
