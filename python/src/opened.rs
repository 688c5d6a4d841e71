//! The engines of a model. Their threads do not survive a fork: in another process, the model is opened again.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use pyo3::prelude::*;

use alexnet::Error;
use alexnet::engine::check_environment;
use alexnet::eval::{Predictor, PredictorOptions, model_path};
use alexnet::model::ModelFile;
use alexnet::net::{Precision, Recipe};

use crate::failure::Outcome;
use crate::options::{MAX_THREADS, Whole, whole};

/// The most views per call.
const MAX_BATCH: usize = 65_536;

/// The longest wait between two attempts to use a model that another thread uses.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Where a model comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A file, with the end of its bytes: the digest of a model.
    File { path: PathBuf, end: Option<Vec<u8>> },
    /// Bytes in memory.
    Bytes(Arc<Vec<u8>>),
}

impl Origin {
    /// The number of bytes that identify a model: a model file ends with its digest.
    const END: usize = 32;

    /// Reads the bytes of the model.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if it is another one than before.
    pub(crate) fn bytes(&self) -> alexnet::Result<Arc<Vec<u8>>> {
        match self {
            Self::Bytes(bytes) => Ok(Arc::clone(bytes)),
            Self::File { path, end } => {
                let bytes = ModelFile::bytes(path)?;
                match end {
                    Some(end) if !bytes.ends_with(end) => Err(Error::model(format!(
                        "{}: the file has changed since this model was loaded from it",
                        path.display()
                    ))
                    .help("load it again: `alexnet.load(PATH)`")),
                    Some(_) | None => Ok(Arc::new(bytes)),
                }
            }
        }
    }

    /// The path for messages.
    fn path(&self) -> PathBuf {
        match self {
            Self::File { path, .. } => path.clone(),
            Self::Bytes(_) => PathBuf::from("model in memory"),
        }
    }
}

/// How a model is opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) origin: Origin,
    pub(crate) options: PredictorOptions,
}

/// The facts of a model that do not need its engines.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The recipe of each member.
    pub(crate) recipes: Vec<Recipe>,
    /// The results of each member's training, as JSON.
    pub(crate) summaries: Vec<serde_json::Value>,
}

/// The engines of a model, and the process that they belong to.
pub(crate) struct Opened {
    process: u32,
    /// `None` only while it is dropped.
    predictor: Option<Mutex<Predictor>>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.process != process::id() {
            // The threads of the parent's engines are not in this process: nothing may wait for them, or for what they have locked.
            std::mem::forget(self.predictor.take());
        }
    }
}

impl Opening {
    /// A model file or run folder.
    ///
    /// # Errors
    /// Returns an error if there is no model.
    pub(crate) fn of_path(path: PathBuf, options: PredictorOptions) -> alexnet::Result<Self> {
        let path = model_path(&path)?;
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok(Self { origin: Origin::File { path, end: None }, options })
    }

    /// Reads the model and opens its engines.
    ///
    /// # Errors
    /// Returns an error if the model, the options or the environment are unusable.
    pub(crate) fn open(&mut self) -> alexnet::Result<(Opened, Facts)> {
        check_environment()?;
        let bytes = self.origin.bytes()?;
        if let Origin::File { end, .. } = &mut self.origin {
            *end = Some(bytes[bytes.len().saturating_sub(Origin::END)..].to_vec());
        }
        let path = self.origin.path();
        let (file, predictor) = open(&bytes, &path, &self.options)?;
        let opened = Opened { process: process::id(), predictor: Some(Mutex::new(predictor)) };
        Ok((opened, facts(&file)))
    }
}

fn open(bytes: &[u8], path: &Path, options: &PredictorOptions) -> alexnet::Result<(ModelFile, Predictor)> {
    let file = ModelFile::from_bytes(bytes, path)?;
    let predictor =
        Predictor::open(&file, path.to_owned(), options).map_err(|error| error.context(path.display()))?;
    Ok((file, predictor))
}

fn facts(file: &ModelFile) -> Facts {
    let models: Vec<_> = match file {
        ModelFile::Single(model) => vec![&**model],
        ModelFile::Ensemble(ensemble) => ensemble.members.iter().map(|member| &member.model).collect(),
    };
    Facts {
        recipes: models.iter().map(|model| model.recipe().clone()).collect(),
        summaries: models
            .iter()
            .map(|model| serde_json::to_value(model.summary()).expect("numbers and strings are JSON"))
            .collect(),
    }
}

/// Opened engines, replaced after a fork.
pub(crate) struct Engines {
    opening: Opening,
    /// Locked by attached threads only, and briefly, so that it is never locked in the child of a fork.
    opened: Mutex<Arc<Opened>>,
}

impl Engines {
    pub(crate) fn new(opening: Opening, opened: Opened) -> Self {
        Self { opening, opened: Mutex::new(Arc::new(opened)) }
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The engines of this process.
    fn current(&self, py: Python<'_>) -> Outcome<Arc<Opened>> {
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Arc::clone(&lock());
        if opened.process == process::id() {
            return Ok(opened);
        }
        let mut opening = self.opening.clone();
        let (reopened, _) = py.detach(|| opening.open())?;
        let reopened = Arc::new(reopened);
        let mut current = lock();
        if current.process != process::id() {
            *current = reopened;
        }
        Ok(Arc::clone(&current))
    }

    /// Uses the engines without the interpreter's lock, as soon as no other thread uses them.
    ///
    /// # Errors
    /// Returns the error of `work`, or a signal that arrives while another thread uses the engines.
    pub(crate) fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Predictor) -> Outcome<T> + Send,
    ) -> Outcome<T>
    where
        Outcome<T>: Send,
    {
        let opened = self.current(py)?;
        let mut wait = Duration::from_micros(100);
        let mut work = Some(work);
        loop {
            let done = py.detach(|| {
                let mut predictor = opened.try_lock()?;
                work.take().map(|work| work(&mut predictor))
            });
            if let Some(done) = done {
                return done;
            }
            py.detach(|| std::thread::sleep(wait));
            py.check_signals()?;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }
}

impl Opened {
    /// The predictor, unless another thread uses it. One whose thread has panicked can be used again: every call writes all that
    /// it reads.
    fn try_lock(&self) -> Option<MutexGuard<'_, Predictor>> {
        match self.predictor.as_ref()?.try_lock() {
            Ok(predictor) => Some(predictor),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The options of a model.
///
/// # Errors
/// Returns an error if a number is out of range, or if there is no precision of that name.
pub(crate) fn options(
    batch: Whole,
    threads: Option<Whole>,
    precision: Option<&str>,
    half: bool,
) -> alexnet::Result<PredictorOptions> {
    let precision = precision.map(precision_named).transpose()?;
    let batch = whole("batch", batch, 1, MAX_BATCH)?;
    let threads = match threads {
        Some(threads) => whole("threads", threads, 1, MAX_THREADS)?,
        None => PredictorOptions::default().threads,
    };
    Ok(PredictorOptions { batch, threads, precision, half })
}

fn precision_named(name: &str) -> alexnet::Result<Precision> {
    Precision::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(|| {
        Error::usage(format!("precision `{name}`: expected `f32` or `bf16`")).help("precision=\"bf16\"")
    })
}
