//! The models of an evaluation.

use std::path::{Path, PathBuf};

use crate::args::model::EvalArgs;
use crate::models::{canonical, check_each_once};
use alexnet::eval::{Predictor, class_indices, same_classes};
use alexnet::{Error, Result};

/// The model or ensemble that is evaluated, and the one that it is compared with, if any.
pub(super) struct Models {
    all: Vec<Predictor>,
    /// The number of models of the first.
    count: usize,
    /// The classes of the second in the first.
    indices: Vec<usize>,
}

impl Models {
    /// Loads the models.
    ///
    /// # Errors
    /// Returns an error if a model cannot be loaded or is named twice, or if the models do not have the same classes.
    pub(super) fn load(args: &EvalArgs, threads: usize) -> Result<Self> {
        let options = args.precision.options(args.batch as usize, threads);
        let load = |path: &PathBuf| Predictor::load(path, &options);
        let all = args.models.iter().chain(&args.against).map(load).collect::<Result<Vec<Predictor>>>()?;
        let (first, second) = all.split_at(args.models.len());
        check_each_once(first.iter().map(|model| model.path.as_path()))?;
        check_each_once(second.iter().map(|model| model.path.as_path()))?;
        same_classes(first)?;
        same_classes(second)?;
        let indices = match second {
            [] => Vec::new(),
            second => comparable(first, second)?,
        };
        Ok(Self { count: args.models.len(), all, indices })
    }

    pub(super) fn all(&self) -> &[Predictor] {
        &self.all
    }

    /// The model or ensemble that is evaluated.
    pub(super) fn first(&self) -> &[Predictor] {
        &self.all[..self.count]
    }

    pub(super) fn first_mut(&mut self) -> &mut [Predictor] {
        &mut self.all[..self.count]
    }

    /// The model or ensemble that it is compared with; empty without one.
    pub(super) fn second(&self) -> &[Predictor] {
        &self.all[self.count..]
    }

    pub(super) fn second_mut(&mut self) -> &mut [Predictor] {
        &mut self.all[self.count..]
    }

    /// Returns the index in the first model's classes of a class of the second.
    pub(super) fn class_of_second(&self, class: usize) -> usize {
        self.indices[class]
    }
}

/// Returns the index in the classes of `first` of each class of `second`, which must be other models with the same classes.
fn comparable(first: &[Predictor], second: &[Predictor]) -> Result<Vec<usize>> {
    let places = |models: &[Predictor]| {
        let mut places: Vec<PathBuf> = models.iter().map(|model| canonical(&model.path)).collect();
        places.sort();
        places
    };
    if places(first) == places(second) {
        return Err(Error::usage(format!("--against {}: compares the model with itself", path(second)))
            .help("name another model: `alexnet eval runs/a --against runs/b --data SRC`"));
    }
    class_indices(&second[0].classes, &first[0].classes).map_err(|difference| {
        let (a, b) = (path(second), path(first));
        Error::model(format!(
            "--against {a}: the models have different classes, expected the same ones: {}",
            difference.describe(&a, &b)
        ))
        .help("compare models of the same classes")
    })
}

fn path(models: &[Predictor]) -> String {
    let paths = models.iter().map(|model: &Predictor| -> &Path { &model.path });
    paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}
