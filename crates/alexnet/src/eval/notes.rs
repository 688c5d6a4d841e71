//! Notes for the user of an evaluation: on the classes of a split, and on weights that were searched on it.

use std::path::Path;

use super::predictor::Predictor;
use crate::data::{Split, identity};
use crate::error::shown;
use crate::format::{first_few, grouped};
use crate::model::WeightChoice;

/// Describes what limits the results for the classes of a model: classes without images, images of one class only, another order.
/// The labels of `split` are indices into the classes of the model; `data` are the classes of its dataset.
pub fn of_classes(split: &Split, data: &[String], model: &[String]) -> Vec<String> {
    let images = split.images_per_class(model.len());
    let with_images: Vec<usize> = (0..model.len()).filter(|&class| images[class] > 0).collect();
    let mut notes = Vec::new();
    if let ([class], true) = (&with_images[..], model.len() > 1) {
        let all = if split.len() == 1 {
            "the image is".into()
        } else {
            format!("all {} images are", grouped(split.len()))
        };
        notes.push(format!(
            "{all} of class `{}`: the accuracy is the recall of that class, not that of the model",
            escaped(&model[*class])
        ));
    } else if with_images.len() < model.len() {
        let without: Vec<String> = (0..model.len())
            .filter(|&class| images[class] == 0)
            .map(|class| escaped(&model[class]))
            .collect();
        let (have, their) = if without.len() == 1 { ("has", "its") } else { ("have", "their") };
        notes.push(format!(
            "{} of the model's {} classes {have} no images in split {}, so that {their} recall is unknown: {}",
            without.len(),
            grouped(model.len()),
            split.name,
            first_few(without.iter())
        ));
    }
    let moved = data.iter().zip(model).position(|(data, model)| data != model);
    if let Some(i) = moved.filter(|_| data.len() == model.len()) {
        notes.push(format!(
            "the model has the classes in another order, they are matched by name: class {i} is `{}` here and `{}` in the \
             model",
            escaped(&data[i]),
            escaped(&model[i])
        ));
    }
    notes
}

/// Names the ensembles whose weights were searched on these images.
pub fn of_weights(split: &Split, models: &[Predictor]) -> Vec<String> {
    let digest = identity::digest_of(split);
    let searched_here = |model: &&Predictor| match model.ensemble.as_ref().map(|summary| &summary.weights) {
        Some(WeightChoice::Searched { searched_on, .. }) => *searched_on == digest,
        Some(WeightChoice::Equal | WeightChoice::Specified) | None => false,
    };
    let note = |model: &Predictor| {
        format!(
            "the weights of {} were searched on these images: the result is optimistic",
            model.path.display()
        )
    };
    models.iter().filter(searched_here).map(note).collect()
}

/// A class name on one line, with control characters escaped.
fn escaped(name: &str) -> String {
    shown(Path::new(name))
}
