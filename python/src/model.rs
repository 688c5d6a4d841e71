//! A model.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyReadonlyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};

use alexnet::data::upright::read;
use alexnet::engine::{Tensor, TensorKind};
use alexnet::eval::Predictor;
use alexnet::eval::classify::decode;
use alexnet::inspect::neighbors::hidden_layer;
use alexnet::net::{Orientation, Views};

use crate::dataset::Dataset;
use crate::evaluation::evaluate;
use crate::failure::Outcome;
use crate::opened::{Engines, Facts, Opening, Origin, options};
use crate::options::{MAX_THREADS, Whole, whole};
use crate::pixels::{array, image_array, images, tensor_array};
use crate::recipe::Recipe;
use crate::values::to_python;

/// A model or an ensemble, opened for inference.
#[pyclass(frozen, module = "alexnet._native")]
pub(crate) struct Model {
    engines: Engines,
    facts: Facts,
    classes: Vec<String>,
    views: Views,
    /// For each member: its weight, the precision of its weights, the results of its training.
    members: Vec<Value>,
}

/// The name, kind and output `(height, width, channels)` of a layer.
type LayerFacts = (String, &'static str, (usize, usize, usize));

impl Model {
    fn open(py: Python<'_>, mut opening: Opening) -> Outcome<Self> {
        let (opened, facts) = py.detach(|| opening.open())?;
        let engines = Engines::new(opening, opened);
        let (classes, views, members) = engines.with(py, |predictor| {
            let members = predictor.members.iter().zip(&facts.summaries).map(|(member, summary)| {
                json!({ "weight": member.weight, "precision": member.precision, "training": summary })
            });
            Ok((predictor.classes.clone(), predictor.views, members.collect()))
        })?;
        Ok(Self { engines, facts, classes, views, members })
    }

    /// The orientation of images for the first member.
    fn orientation(&self, py: Python<'_>) -> Outcome<Orientation> {
        self.engines.with(py, |predictor| {
            Ok(predictor.members.first().map(|member| member.preprocess.orientation).unwrap_or_default())
        })
    }
}

#[pymethods]
impl Model {
    /// Loads a model file, or the model of a run folder.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        batch: Whole,
        threads: Option<Whole>,
        precision: Option<&str>,
        half: bool,
    ) -> Outcome<Self> {
        Self::open(py, Opening::of_path(path, options(batch, threads, precision, half)?)?)
    }

    /// Loads the bytes of a model file.
    #[staticmethod]
    fn from_bytes(
        py: Python<'_>,
        bytes: Vec<u8>,
        batch: Whole,
        threads: Option<Whole>,
        precision: Option<&str>,
        half: bool,
    ) -> Outcome<Self> {
        let options = options(batch, threads, precision, half)?;
        Self::open(py, Opening { origin: Origin::Bytes(Arc::new(bytes)), options })
    }

    /// The model file; `None` for a model from bytes.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        match &self.engines.opening().origin {
            Origin::File { path, .. } => Some(path.clone()),
            Origin::Bytes(_) => None,
        }
    }

    /// The end of the model file, which identifies it.
    #[getter]
    fn digest(&self) -> Option<&[u8]> {
        match &self.engines.opening().origin {
            Origin::File { end, .. } => end.as_deref(),
            Origin::Bytes(_) => None,
        }
    }

    /// The bytes of the model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.engines.opening().origin.bytes())?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.classes.clone()
    }

    #[getter]
    fn views(&self) -> usize {
        self.views.count()
    }

    /// Views per call of an engine.
    #[getter]
    fn batch(&self) -> usize {
        self.engines.opening().options.batch
    }

    /// The recipe of each member.
    #[getter]
    fn recipes(&self) -> Vec<Recipe> {
        self.facts.recipes.iter().map(|recipe| Recipe { recipe: recipe.clone() }).collect()
    }

    /// The weight, precision and training of each member.
    #[getter]
    fn members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &json!(self.members))
    }

    /// The layers of a single model.
    fn layers(&self, py: Python<'_>) -> Outcome<Vec<LayerFacts>> {
        self.engines.with(py, |predictor| {
            let network = predictor.single_member()?.engine().network();
            let layers = network.layers.iter().map(|layer| {
                let output = layer.output;
                (layer.name.clone(), layer.kind(), (output.height, output.width, output.channels))
            });
            Ok(layers.collect())
        })
    }

    /// The last hidden layer.
    fn hidden_layer(&self, py: Python<'_>) -> Outcome<String> {
        self.engines
            .with(py, |predictor| Ok(hidden_layer(predictor.single_member()?.engine().network())?.to_owned()))
    }

    /// The probabilities `[images, classes]` of arrays of images.
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<PyReadonlyArrayDyn<'py, u8>>,
        views: usize,
    ) -> Outcome<Bound<'py, PyAny>> {
        let (images, views) = (images(&arrays)?, Views::try_from(views)?);
        let found =
            self.engines.with(py, |predictor| Ok(predictor.probabilities_of_images(&images, views)?))?;
        Ok(array(py, &[images.len(), self.classes.len()], found)?)
    }

    /// The probabilities `[1, classes]` of an image file, for ensembles whose members do not agree on the orientation of images.
    fn probabilities_of_file<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        views: usize,
    ) -> Outcome<Bound<'py, PyAny>> {
        let views = Views::try_from(views)?;
        let found = self.engines.with(py, |predictor| {
            let bytes = read(&path).map_err(|error| error.context(path.display()))?;
            let found = predictor.probabilities_of_file(&bytes, views);
            Ok(found.map_err(|error| error.context(path.display()))?)
        })?;
        Ok(array(py, &[1, self.classes.len()], found)?)
    }

    /// Whether all members have images in the same orientation.
    fn has_one_orientation(&self, py: Python<'_>) -> Outcome<bool> {
        self.engines.with(py, |predictor| {
            let mut orientations = predictor.members.iter().map(|member| member.preprocess.orientation);
            let first = orientations.next();
            Ok(orientations.all(|other| Some(other) == first))
        })
    }

    /// Whether the first member has images rotated by their EXIF orientation.
    fn applies_exif(&self, py: Python<'_>) -> Outcome<bool> {
        Ok(self.orientation(py)? == Orientation::Exif)
    }

    /// Decodes image files, in the orientation of the first member.
    fn decode<'py>(&self, py: Python<'py>, paths: Vec<PathBuf>) -> Outcome<Vec<Bound<'py, PyAny>>> {
        let threads = self.engines.opening().options.threads;
        let orientation = self.orientation(py)?;
        let decoded = py.detach(|| decode(&paths, orientation, threads));
        decoded.into_iter().map(|image| Ok(image_array(py, image?)?)).collect()
    }

    /// The outputs of layers for the center views of images.
    fn activations<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<PyReadonlyArrayDyn<'py, u8>>,
        layers: Vec<String>,
    ) -> Outcome<Vec<Bound<'py, PyAny>>> {
        let images = images(&arrays)?;
        let names: Vec<&str> = layers.iter().map(String::as_str).collect();
        let found = self
            .engines
            .with(py, |predictor| Ok(predictor.single_member()?.activations(&images, &names)?))?;
        found.into_iter().map(|tensor| Ok(tensor_array(py, tensor)?)).collect()
    }

    /// The names and values of the parameters, in the layout of the model file. Those of an ensemble begin with `models.I.`.
    fn parameters<'py>(&self, py: Python<'py>) -> Outcome<Vec<(String, Bound<'py, PyAny>)>> {
        let tensors = self.engines.with(py, |predictor| Ok(parameters(predictor)?))?;
        tensors.into_iter().map(|tensor| Ok((tensor.name.clone(), tensor_array(py, tensor)?))).collect()
    }

    /// The values of one parameter.
    fn parameter<'py>(&self, py: Python<'py>, name: &str) -> Outcome<Bound<'py, PyAny>> {
        let tensor = self.engines.with(py, |predictor| {
            let engine = predictor.single_member()?.engine();
            Ok(engine.tensor(TensorKind::Parameters, name)?)
        })?;
        Ok(tensor_array(py, tensor)?)
    }

    /// Evaluates the model on a split of a dataset; see `evaluation`.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        dataset: &Dataset,
        split: Option<&str>,
        views: Option<usize>,
        workers: Option<Whole>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let views = views.map_or(Ok(self.views), Views::try_from)?;
        let workers = match workers {
            Some(workers) => whole("workers", workers, 0, MAX_THREADS)?,
            None => self.engines.opening().options.threads,
        };
        let found = self.engines.with(py, |predictor| evaluate(predictor, dataset, split, views, workers))?;
        Ok(found.into_python(py)?)
    }
}

/// The parameters of a model, or of all models of an ensemble.
fn parameters(predictor: &mut Predictor) -> alexnet::Result<Vec<Tensor>> {
    if let [member] = &mut predictor.members[..] {
        return member.engine().parameters();
    }
    let mut all = Vec::new();
    for (i, member) in predictor.members.iter_mut().enumerate() {
        let tensors = member.engine().parameters()?;
        all.extend(tensors.into_iter().map(|mut tensor| {
            tensor.name = format!("models.{i}.{}", tensor.name);
            tensor
        }));
    }
    Ok(all)
}
