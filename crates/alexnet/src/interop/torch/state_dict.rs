//! State dicts: named tensors, alone or in a checkpoint of a training script.

use std::collections::BTreeMap;

use super::pickle::{Pickle, Value, ValueId};
use super::refusals;
use super::storages::{Storages, StoredTensor};
use crate::format::first_dozen;
use crate::{Error, Result};

/// How to save a state dict.
const SAVE_STATE_DICT: &str =
    "in Python: `torch.save(model.state_dict(), \"weights.pth\")`, then import weights.pth";

/// Named tensors, and where in the file they are.
#[derive(Debug, Default)]
pub(super) struct StateDict<'a> {
    /// By name, without the prefix.
    pub(super) tensors: BTreeMap<String, StoredTensor<'a>>,
    /// The keys that lead to the state dict in a checkpoint, outermost first.
    pub(super) path: Vec<String>,
    /// What all names start with: `module.` of `DataParallel`.
    pub(super) prefix: String,
    /// What is not used.
    pub(super) notes: Vec<String>,
}

/// Keys under which training scripts save the state dict of the model, the likeliest first.
const KEYS: [&str; 8] =
    ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params"];

/// First parts of names that wrappers of a module add.
const PREFIXES: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "network."];

/// The most dictionaries inside each other that are looked through.
const DEPTH: usize = 4;

impl<'a> StateDict<'a> {
    /// Finds the state dict in a pickle.
    ///
    /// # Errors
    /// Returns an error that names everything in the pickle that is not part of a state dict, or says what the file has instead.
    pub(super) fn find(pickle: &Pickle<'a>, storages: &Storages<'a>) -> Result<Self> {
        if !pickle.refused.is_empty() {
            return Err(refusals::explain(&pickle.refused));
        }
        let mut found = Self::default();
        let mut dict = entries(pickle, pickle.root)?;
        for _ in 0..DEPTH {
            let Some(key) = inner(pickle, &dict)? else { break };
            let others = unused(dict.keys().filter(|other| **other != key));
            found.notes.push(format!("the state dict is that of `{key}`{others}"));
            found.path.push(key.to_owned());
            dict = entries(pickle, dict[key])?;
        }
        let mut others = Vec::new();
        for (name, id) in dict {
            match pickle.value(id) {
                Value::Tensor(tensor) => {
                    let tensor = storages.tensor(pickle, tensor);
                    let tensor = tensor.map_err(|error| error.context(format!("tensor `{name}`")))?;
                    found.tensors.insert(name.to_owned(), tensor);
                }
                _ => others.push(name),
            }
        }
        if found.tensors.is_empty() {
            return Err(Error::model("the file has no tensors, expected a state dict").help(SAVE_STATE_DICT));
        }
        if !others.is_empty() {
            found
                .notes
                .push(format!("not used, because they are no tensors: {}", first_dozen(others.iter())));
        }
        found.strip_prefixes();
        Ok(found)
    }

    /// Removes the prefixes of wrappers from all names.
    pub(super) fn strip_prefixes(&mut self) {
        let common = |names: &BTreeMap<String, StoredTensor<'_>>| {
            PREFIXES.into_iter().find(|prefix| names.keys().all(|name| name.starts_with(prefix)))
        };
        while let Some(prefix) = common(&self.tensors).filter(|_| !self.tensors.is_empty()) {
            let all = std::mem::take(&mut self.tensors).into_iter();
            self.tensors = all.map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)).collect();
            self.prefix += prefix;
        }
        if !self.prefix.is_empty() {
            self.notes
                .push(format!("the names of all tensors start with `{}`, which is left out", self.prefix));
        }
    }
}

/// The entries of a dictionary whose keys are strings; the last of those with the same key.
fn entries<'a>(pickle: &Pickle<'a>, id: ValueId) -> Result<BTreeMap<&'a str, ValueId>> {
    match pickle.value(id) {
        Value::Dict(pairs) => {
            Ok(pairs.iter().filter_map(|(key, value)| Some((text(pickle, *key)?, *value))).collect())
        }
        other => Err(Error::model(format!("the file has {}, expected a state dict", other.kind()))
            .help(SAVE_STATE_DICT)),
    }
}

fn text<'a>(pickle: &Pickle<'a>, id: ValueId) -> Option<&'a str> {
    match pickle.value(id) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The key of the state dict in a checkpoint; `None` if the dictionary is a state dict itself.
fn inner<'a>(pickle: &Pickle<'a>, dict: &BTreeMap<&'a str, ValueId>) -> Result<Option<&'a str>> {
    let tensors = |id: ValueId| match pickle.value(id) {
        Value::Dict(pairs) => pairs
            .iter()
            .filter(|(key, value)| {
                text(pickle, *key).is_some() && matches!(pickle.value(*value), Value::Tensor(_))
            })
            .count(),
        _ => 0,
    };
    let with_tensors: Vec<&str> =
        dict.iter().filter(|(_, id)| tensors(**id) > 0).map(|(key, _)| *key).collect();
    // Another checkpoint inside this one.
    let known = |candidates: &[&'a str]| {
        KEYS.into_iter().find_map(|key| candidates.iter().copied().find(|candidate| *candidate == key))
    };
    if let Some(key) = known(&with_tensors) {
        return Ok(Some(key));
    }
    if dict.values().any(|id| matches!(pickle.value(*id), Value::Tensor(_))) {
        return Ok(None);
    }
    match &with_tensors[..] {
        [] => {
            let is_dict = |id: &ValueId| matches!(pickle.value(*id), Value::Dict(_));
            let dicts: Vec<&str> = dict.iter().filter(|(_, id)| is_dict(id)).map(|(key, _)| *key).collect();
            Ok(known(&dicts))
        }
        [key] => Ok(Some(key)),
        several => Err(Error::model(format!("the file has several state dicts: {}", first_dozen(several.iter())))
            .help(format!(
                "choose one, in Python: `torch.save(torch.load(\"INPUT\", weights_only=True)[{:?}], \"weights.pth\")`",
                several[0]
            ))),
    }
}

/// `; not used: epoch, optimizer`.
fn unused<'n>(names: impl Iterator<Item = &'n &'n str>) -> String {
    let names: Vec<&str> = names.copied().collect();
    if names.is_empty() { String::new() } else { format!("; not used: {}", first_dozen(names.iter())) }
}
