//! The training images nearest to an image, by the activations of a hidden layer (paper, section 6.1).

use std::path::Path;
use std::sync::Arc;

use crate::data::{Image, Loader, Preprocess, Share, Skip, Split, View};
use crate::engine::Engine;
use crate::eval::Predictor;
use crate::inspect::predictions::ChosenImage;
use crate::net::{Network, Operation, Views};
use crate::{Error, Result};

/// An image with its nearest training images.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighborhood {
    /// The file.
    pub file: String,
    /// The correct class, if it is known.
    pub label: Option<usize>,
    /// The square that the center crop is cut from.
    pub square: Image,
    /// The nearest images, nearest first.
    pub neighbors: Vec<Neighbor>,
}

/// A training image near another image.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbor {
    /// The file.
    pub file: String,
    /// The class.
    pub label: usize,
    /// The Euclidean distance of the activations.
    pub distance: f64,
    /// The square that the center crop is cut from.
    pub square: Image,
}

/// An image whose neighbors are searched.
#[derive(Debug)]
struct Query {
    activations: Vec<f32>,
    /// Its own position in the split, if it is one of the images to search.
    own: Option<usize>,
}

/// An image of the split that may be a neighbor.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: usize,
    distance: f64,
}

/// Returns the last hidden layer, whose activations the paper compares: the layer below the last fully connected one, without
/// dropout, which does nothing at test time.
///
/// # Errors
/// Returns an error if the network has no hidden layer.
pub fn hidden_layer(network: &Network) -> Result<&str> {
    let output = network.layers.iter().rposition(|layer| layer.weights().is_some()).unwrap_or(0);
    let is_dropout = |operation: &Operation| matches!(operation, Operation::Dropout { .. });
    let hidden = network.layers[..output].iter().rev().find(|layer| !is_dropout(&layer.operation));
    hidden.map(|layer| layer.name.as_str()).ok_or_else(|| {
        Error::model("the network has no hidden layer, expected one whose activations can be compared")
    })
}

/// Where nearest images are searched, and how.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The images to search.
    pub split: &'a Split,
    /// The layer whose activations are compared, of center crops.
    pub layer: &'a str,
    /// The number of neighbors of each image.
    pub neighbors: usize,
    /// Threads that load images; they do not affect the result.
    pub workers: usize,
}

/// Returns the nearest images of a split for each of `images`, nearest first, and the images of the split that do not decode. Of
/// equally near ones the first in the split are taken. An image is not its own neighbor: a labeled one is the image of its name in
/// the split, if there is one; another is the image in the same file. `on_batch` receives the number of images searched so far; an
/// error from it ends the search.
///
/// # Errors
/// Returns an error if the model is an ensemble, if there is no such layer, if a file cannot be read, or if the engine fails.
pub fn nearest(
    model: &mut Predictor,
    images: Vec<ChosenImage>,
    search: Search<'_>,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<(Vec<Neighborhood>, Vec<Skip>)> {
    let member = model.single_member()?;
    let preprocess = member.preprocess.clone();
    let engine = member.classifier().engine;
    let query = |chosen: &ChosenImage| {
        let activations = activations(engine, &center_view(&preprocess, chosen), search.layer)?;
        Ok(Query { activations, own: own_position(chosen, search.split) })
    };
    let queries = images.iter().map(query).collect::<Result<Vec<_>>>()?;
    let (candidates, skipped) = candidates(engine, &preprocess, &queries, search, on_batch)?;
    let split = search.split.oriented(preprocess.orientation);
    let neighbor = |&Candidate { index, distance }: &Candidate| {
        let image =
            split.image(index)?.map_err(|skip| Error::data(format!("{}: {}", skip.file, skip.reason)))?;
        let (file, label) = (split.file(index).to_owned(), split.label(index) as usize);
        Ok(Neighbor { file, label, distance, square: preprocess.square(&image) })
    };
    let neighborhood = |(chosen, candidates): (ChosenImage, Vec<Candidate>)| {
        let square = preprocess.square(&chosen.image);
        let neighbors = candidates.iter().map(neighbor).collect::<Result<Vec<_>>>()?;
        Ok(Neighborhood { file: chosen.file, label: chosen.label, square, neighbors })
    };
    let found = images.into_iter().zip(candidates).map(neighborhood).collect::<Result<Vec<_>>>()?;
    Ok((found, skipped))
}

/// The position of an image in the split that is searched: a labeled one is found by its name, another if it is the same file.
fn own_position(chosen: &ChosenImage, split: &Split) -> Option<usize> {
    let path = Path::new(&chosen.file);
    (0..split.len()).find(|&index| match chosen.label {
        Some(_) => split.file(index) == chosen.file,
        None => {
            // Names are compared first: to resolve the paths of a million images takes long.
            Path::new(split.file(index)).file_name() == path.file_name()
                && split.path(index).is_some_and(|other| is_same_file(&other, path))
        }
    })
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Searches the split for the images whose activations are nearest to each of `queries`.
fn candidates(
    engine: &mut dyn Engine,
    preprocess: &Arc<Preprocess>,
    queries: &[Query],
    search: Search<'_>,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<(Vec<Vec<Candidate>>, Vec<Skip>)> {
    let Search { split, layer, neighbors, workers } = search;
    let mut found = vec![Vec::new(); queries.len()];
    let (mut skipped, mut done) = (Vec::new(), 0);
    let images = engine.batch().max(1);
    let mut loader = Loader::evaluation(split, preprocess, Views::Center, images, Share::WHOLE, workers);
    while let Some(batch) = loader.next() {
        let mut batch = batch?;
        if !batch.indices.is_empty() {
            let activations = activations(engine, &batch.images, layer)?;
            let rows = || activations.chunks_exact(activations.len() / batch.indices.len());
            for (query, found) in queries.iter().zip(&mut found) {
                let row = |(&index, row)| Candidate { index, distance: distance(&query.activations, row) };
                let near = batch.indices.iter().zip(rows()).map(row);
                found.extend(near.filter(|candidate| Some(candidate.index) != query.own));
                found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index)));
                found.truncate(neighbors);
            }
        }
        done += batch.indices.len() + batch.skipped.len();
        skipped.append(&mut batch.skipped);
        loader.recycle(batch);
        on_batch(done)?;
    }
    Ok((found, skipped))
}

fn center_view(preprocess: &Preprocess, chosen: &ChosenImage) -> Vec<f32> {
    let mut view = vec![0.0; preprocess.view_len()];
    let square = preprocess.square(&chosen.image);
    preprocess.view(&square, View::center(preprocess.square, preprocess.crop), [0.0; 3], &mut view);
    view
}

/// The activations of a layer for images `[n, crop, crop, 3]`.
fn activations(engine: &mut dyn Engine, images: &[f32], layer: &str) -> Result<Vec<f32>> {
    Ok(engine.activations(images, &[layer])?.swap_remove(0).data)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}
